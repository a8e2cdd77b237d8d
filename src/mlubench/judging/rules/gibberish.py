"""Whether an answer is sound language at all: loops, broken characters, and words in an order that no sentence has."""

import re
import zlib
from collections.abc import Sequence
from itertools import pairwise
from operator import eq

from mlubench.judging.rules.text import HAN, STOP, read


def repetition(words: Sequence[str]) -> float:
    """How much of the text is repeats, 0 to 1; 1 where a word or clause comes three or more times in a row."""
    pairs = list(pairwise(words))
    if (
        len(pairs) - len(set(pairs)) < 2
    ):  # no loop without the same neighbours again; most texts end here
        return 0.0
    for period in range(1, min(20, len(words) // 2) + 1):
        if _repeats(words, period, 4 if period == 1 else 3):
            return 1.0
    if len(words) < 12:
        return 0.0
    grams = list(zip(words, words[1:], words[2:], words[3:], strict=False))
    return 1 - len(set(grams)) / len(grams)


_MARK_LOOP = re.compile(r"([^\w\s.\-=*])\1{7,}")
_WORD_LOOP = re.compile(r"([^\W\d_]{1,4}?)\1{5,}|(\d)\2{11,}")
_MUTE = re.compile(r"\b[b-df-hj-np-tv-xz]{4,}\b")
_SCRIPTS = [
    re.compile(f"[{s}]")
    for s in ("A-Za-z", "\u0370-\u03ff", "\u0400-\u04ff", "\u0600-\u06ff", HAN, "\uac00-\ud7af")
]
_ARTICLES = frozenset({"a", "an", "the"})
_NOT_AFTER_ARTICLE = frozenset({"a", "an", "the", "of", "is", "are", "was", "and"})
_DOUBLED = frozenset({"of", "and", "to", "or", "is", "are", "was", "with", "for", "by", "from"})


def _broken_grammar(words: Sequence[str]) -> bool:
    """Small words in an order that no sentence has: "of a of of", "the the is and"."""
    broken = sum(
        (a in _ARTICLES and b in _NOT_AFTER_ARTICLE) or (a == b and a in _DOUBLED)
        for a, b in pairwise(words)
    )
    return broken >= 2 and broken * 8 >= len(words)


def _broken_characters(text: str, words: Sequence[str]) -> bool:
    if text.count("\ufffd") >= 2 or _MARK_LOOP.search(text):
        return True
    return any(len(w) >= 6 and 2 * len(set(w)) < len(w) and _WORD_LOOP.search(w) for w in words)


def _salad(text: str, words: Sequence[str]) -> bool:
    """Many words in a row with no small word, no comma and hardly a capital; or words that no tongue can say."""
    mute = _MUTE.findall(text)
    if len(mute) >= 2 and len(mute) * 3 >= len(words):
        return True
    if len(words) < 12 or not STOP.isdisjoint(words):
        return False
    raw = re.findall(r"[A-Za-z]+", text)
    marks = len(re.findall(r"[,;:\n]", text))
    capitals = sum(w[0].isupper() for w in raw)
    return len(raw) >= 0.8 * len(words) and marks * 5 < len(words) and capitals * 2 < len(words)


def _squeezes(text: str) -> bool:
    """Prose packs to about half its size; a long text that packs to a quarter says little, over and over."""
    data = text.encode("utf-8", "replace")
    return len(data) >= 200 and len(zlib.compress(data, 1)) < 0.25 * len(data)


def gibberish(text: str) -> str:
    """Why the text is not sound language, or "" where it is. An empty text is not gibberish; it is nothing."""
    if not text.strip():
        return ""
    words = read(text).words
    reason = ""
    if not words:
        reason = "no words"
    elif _broken_characters(text, words):
        reason = "broken characters"
    elif repetition(words) >= 0.4 or _squeezes(text):
        reason = "repetition"
    elif _broken_grammar(words) or _salad(text, words):
        reason = "word salad"
    elif not text.isascii() and sum(bool(s.search(text)) for s in _SCRIPTS) >= 4:
        reason = "mixed scripts"
    return reason


# Neighbours that no sentence has, and sentences that stop before their noun.
_STUMBLE = re.compile(
    r"\bi (?:am|was|have|would|can|do) i\b|\bnot (?:i|is|of)\b|\bno (?:have|is|of|to|can|am|when)\b"
    r"|\b(?:a|an|the|my|its|your|no) (?:and|of|is|are|was|the|to|an?|i)\b"
    r"|\b(?:can't|cannot|can|could|would|will) (?:an?|the|of|about|to|is)\b"
    r"|\b(?:a|an|the|and|or|my|its|your|because) ?[.,;:!?]|\w[.] ?,"
)
_TWICE = frozenset({"that", "had", "very"})  # which a sound sentence may say twice


def stammer(text: str) -> str:
    """Why a text that is to be a plain refusal is not fluent, or "": finer than `gibberish`, which facts must pass too.

    A name may hold "The The" or "New York, New York"; a refusal has no reason to.
    """
    words = read(text).words
    doubled = any(a == b and a not in _TWICE and not a.isdigit() for a, b in pairwise(words))
    if doubled or echoes(text):
        return "stammering"
    grams = list(zip(*(words[n:] for n in range(6)), strict=False))
    if len(words) <= 60 and len(grams) > len(set(grams)):
        return "repetition"
    return "broken grammar" if _STUMBLE.search(" ".join(text.casefold().split())) else ""


def echoes(text: str) -> bool:
    """Whether three words or more are said and at once said again: "in the Nile Basin, in the Nile Basin"."""
    words = read(text).words
    return any(_repeats(words, period, 2) for period in range(3, len(words) // 2 + 1))


def _repeats(words: Sequence[str], period: int, times: int) -> bool:
    """Whether the same `period` words come so many times in a row."""
    return b"\x01" * (period * (times - 1)) in bytes(map(eq, words, words[period:]))
