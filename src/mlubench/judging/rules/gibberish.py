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
    # No loop without the same neighbours again. Most texts end here, which keeps the judge quick.
    if len(pairs) - len(set(pairs)) < 2:
        return 0.0
    longest = min(20, len(words) // 2)
    for period in range(1, longest + 1):
        # "very very very" may be said; four times is a loop.
        if _repeats(words, period, times=4 if period == 1 else 3):
            return 1.0
    if len(words) < 12:
        return 0.0
    fours = list(zip(words, words[1:], words[2:], words[3:], strict=False))
    return 1 - len(set(fours)) / len(fours)


# One sign eight times or more; not those that draw lines.
_MARK_LOOP = re.compile(r"([^\w\s.\-=*])\1{7,}")
# Up to four letters six times or more, or one digit twelve times.
_WORD_LOOP = re.compile(r"([^\W\d_]{1,4}?)\1{5,}|(\d)\2{11,}")
# A word of consonants.
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
    broken = 0
    for word, following in pairwise(words):
        is_article_astray = word in _ARTICLES and following in _NOT_AFTER_ARTICLE
        is_doubled = word == following and word in _DOUBLED
        broken += is_article_astray or is_doubled
    # Twice, and once in eight words: a single slip is human.
    return broken >= 2 and broken * 8 >= len(words)


def _broken_characters(text: str, words: Sequence[str]) -> bool:
    """Characters that a decoder put in for what it could not read, or one sign or syllable over and over."""
    if text.count("\ufffd") >= 2 or _MARK_LOOP.search(text):
        return True
    for word in words:
        # The slow pattern is tried only on words of few different letters.
        has_few_letters = len(word) >= 6 and 2 * len(set(word)) < len(word)
        if has_few_letters and _WORD_LOOP.search(word):
            return True
    return False


def _unpronounceable(text: str, words: Sequence[str]) -> bool:
    """Whether a third of the words have four consonants and no vowel."""
    mute = _MUTE.findall(text)
    return len(mute) >= 2 and len(mute) * 3 >= len(words)


def _salad(text: str, words: Sequence[str]) -> bool:
    """Many Latin words in a row with no small word, hardly a mark and hardly a capital.

    A list of names has capitals, a list of things has commas.
    """
    if len(words) < 12 or not STOP.isdisjoint(words):
        return False
    latin = re.findall(r"[A-Za-z]+", text)
    marks = len(re.findall(r"[,;:\n]", text))
    capitals = sum(word[0].isupper() for word in latin)
    return len(latin) >= 0.8 * len(words) and marks * 5 < len(words) and capitals * 2 < len(words)


def _compresses_too_well(text: str) -> bool:
    """Prose packs to about half its size; a long text that packs to a quarter says little, over and over."""
    data = text.encode("utf-8", "replace")
    return len(data) >= 200 and len(zlib.compress(data, 1)) < 0.25 * len(data)


def _mixed_scripts(text: str) -> bool:
    """Whether one answer is written in four scripts or more."""
    if text.isascii():
        return False
    return sum(bool(script.search(text)) for script in _SCRIPTS) >= 4


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
    elif repetition(words) >= 0.4 or _compresses_too_well(text):
        reason = "repetition"
    elif _broken_grammar(words) or _unpronounceable(text, words) or _salad(text, words):
        reason = "word salad"
    elif _mixed_scripts(text):
        reason = "mixed scripts"
    return reason


# Neighbours that no sentence has, and sentences that stop before their noun.
_STUMBLE = re.compile(
    r"\bi (?:am|was|have|would|can|do) i\b|\bnot (?:i|is|of)\b|\bno (?:have|is|of|to|can|am|when)\b"
    r"|\b(?:a|an|the|my|its|your|no) (?:and|of|is|are|was|the|to|an?|i)\b"
    r"|\b(?:can't|cannot|can|could|would|will) (?:an?|the|of|about|to|is)\b"
    r"|\b(?:a|an|the|and|or|my|its|your|because) ?[.,;:!?]|\w[.] ?,"
)
# A sound sentence may say these twice in a row.
_MAY_BE_DOUBLED = frozenset({"that", "had", "very"})


def stammer(text: str) -> str:
    """Why a text that is to be a plain refusal is not fluent, or "": finer than `gibberish`, which facts must pass too.

    A name may hold "The The" or "New York, New York"; a refusal has no reason to.
    """
    words = read(text).words
    if _has_doubled_word(words) or echoes(text):
        return "stammering"
    sixes = list(zip(*(words[start:] for start in range(6)), strict=False))
    # A long text may come back to a phrase of six words, a short refusal has no reason to.
    if len(words) <= 60 and len(sixes) > len(set(sixes)):
        return "repetition"
    one_line = " ".join(text.casefold().split())
    return "broken grammar" if _STUMBLE.search(one_line) else ""


def _has_doubled_word(words: Sequence[str]) -> bool:
    for word, following in pairwise(words):
        if word == following and word not in _MAY_BE_DOUBLED and not word.isdigit():
            return True
    return False


def echoes(text: str) -> bool:
    """Whether three words or more are said and at once said again: "in the Nile Basin, in the Nile Basin"."""
    words = read(text).words
    return any(_repeats(words, period, 2) for period in range(3, len(words) // 2 + 1))


def _repeats(words: Sequence[str], period: int, times: int) -> bool:
    """Whether the same `period` words come so many times in a row."""
    # A 1 wherever a word is the one that stands `period` words further on. Bytes are searched at the speed of C.
    same = bytes(map(eq, words, words[period:]))
    return b"\x01" * (period * (times - 1)) in same
