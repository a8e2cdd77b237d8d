"""What is read out of an answer before any rule judges it: words, names, numbers, loops and gibberish."""

import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from operator import eq


def word_set(text: str) -> frozenset[str]:
    """The words of a list that is written as running text."""
    return frozenset(text.split())


STOP = word_set(
    """a an the and or but if of in on at to for by with from as is are was were be been being am it its this that these
    those there here he she they them his her their theirs him we us our you your i me my mine who whom whose which what
    when where why how do does did done has have had having will would shall should can could may might must not no nor
    so than then too very also just only such some any all both each other more most own same s t d ll m re ve into onto
    over under about up down out off again once while during before after between through because until yes don't can't
    isn't aren't wasn't doesn't didn't won't cannot it's he's she's i'm that's"""
)
NEGATIONS = word_set("not never no cannot neither nor without")
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_CARDINALS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ORDINALS = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_NUMBER_WORDS = {w: str(n) for row in (_CARDINALS, _ORDINALS) for n, w in enumerate(row, start=2)}
_QUOTES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "«": '"', "»": '"', "–": "-", "—": "-"})
_HAN = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_HAN_CHAR = re.compile(f"([{_HAN}])")
_MIXED_WORD = re.compile(rf"[A-Za-z][\w.]*[{_HAN}]\S*")
_ACCENT = re.compile("[\u0300-\u036f]")
_INITIALS = re.compile(r"\b(?:[A-Za-z]\.\s?){2,}")
_DIGIT = re.compile(r"\d")
_ISO = re.compile(r"\b(\d{4})-(0[1-9]|1[0-2])-([0-3]\d)\b")
_SHORT = "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
_SHORT_MONTH = re.compile(rf"\b({_SHORT})\b\.?(?=,? ?\d)|(?<=\d )({_SHORT})\b\.?", re.IGNORECASE)
_MARKS = re.compile(r"[\"'`*_#>\[\]()]+|^\s*[-•]\s+", re.MULTILINE)
_TOKEN = re.compile(r"[.,!?;:()\n]|\d+(?:[.,]\d+)*(?:st|nd|rd|th)?(?![^\W_])|[^\W_]+(?:'[^\W_]+)*")
_ENDS = frozenset(".!?:\n")
_PUNCTUATION = frozenset(".,!?;:()\n")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says, in comparable words. `content` has no stop-words; `minor` are asides and roles."""

    words: tuple[str, ...]
    content: frozenset[str]
    names: frozenset[str]
    numbers: frozenset[str]
    negated: frozenset[str]
    minor: frozenset[str]

    @property
    def years(self) -> frozenset[str]:
        return frozenset(n for n in self.numbers if len(n) == 4 and n.isdigit() and "1000" <= n <= "2100")


def _mend(match: re.Match[str]) -> str:
    """UTF-8 that was once read as GBK ("Pok鑼卪on"), as some published answers are; left alone where it is not that."""
    word = match.group()
    for _ in range(2):
        try:
            word = word.encode("gbk").decode("utf-8")
        except UnicodeError:
            break
    return word


def _month(match: re.Match[str]) -> str:
    start = (match[1] or match[2])[:3].lower()
    return next(m for m in MONTHS if m.startswith(start)).capitalize()


def fold(text: str) -> str:
    """The text with width, accents, quotes, initials and dates in one form; case and line breaks are kept."""
    if not text.isascii():
        text = _MIXED_WORD.sub(_mend, text)
        text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
        text = unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFD", text)))
    if "." in text:
        text = _INITIALS.sub(lambda m: re.sub(r"[.\s]", "", m.group()) + " ", text)
    if not _DIGIT.search(text):
        return text
    text = _ISO.sub(lambda m: f"{MONTHS[int(m[2]) - 1].capitalize()} {int(m[3])} {m[1]}", text)
    return _SHORT_MONTH.sub(_month, text)


def normalise(text: str) -> str:
    """One line of case-folded text without markdown, quotes or accents: equal answers become equal strings."""
    return " ".join(_MARKS.sub(" ", fold(text)).casefold().split())


@lru_cache(maxsize=1 << 17)
def stem(word: str) -> str:
    """A comparable form of one word: plain digits for numbers, light suffix stripping for the rest."""
    word = word.casefold().removesuffix("'s")
    if word[:1].isdigit():
        word = re.sub(r"(?:st|nd|rd|th)$", "", word)
        return re.sub(r",(?=\d{3}(?!\d))", "", word)
    if word in _NUMBER_WORDS:
        return _NUMBER_WORDS[word]
    if not word.isascii() or len(word) < 4:
        return word
    if word.endswith("vorous"):
        return word[:-3]
    if word.endswith(("lves", "eaves")):
        return word[:-3] + "f"
    for suffix, new in (("ies", "y"), ("ing", ""), ("ed", ""), ("ly", ""), ("sses", "ss"), ("s", "")):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not word.endswith(("ss", "us", "is")):
            word = word[: -len(suffix)] + new
            break
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


class _Reader:
    """Walks the tokens once; the state is what the next word's meaning hangs on."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.content: set[str] = set()
        self.names: set[str] = set()
        self.numbers: set[str] = set()
        self.kept: set[str] = set()
        self.negated: set[str] = set()
        self.major: set[str] = set()
        self.start, self.depth, self.denied, self.role = True, 0, 0, False
        self.opener = self.last = ""

    def punctuation(self, mark: str) -> None:
        self.depth = max(0, self.depth + (mark == "(") - (mark == ")"))
        self.denied, self.opener, self.role, self.last = 0, "", False, mark
        if mark in _ENDS:
            self.start = True

    def word(self, raw: str) -> None:
        low = raw.casefold()
        key = stem(low)
        self.words.append(key)
        if low in STOP or low in NEGATIONS or low.endswith("n't"):
            self._small(low)
        else:
            self._content(raw, key)
        self.start, self.last = False, low

    def _small(self, low: str) -> None:
        if low in NEGATIONS or low.endswith("n't"):
            self.denied = 3
        elif low in ("but", "only", "just"):
            self.denied = 0
        self.role = low == "as" and self.last != "known"
        self.opener = ""

    def _content(self, raw: str, key: str) -> None:
        self.content.add(key)
        capital = raw[0].isupper()
        if raw[0].isdigit():
            self.numbers.add(key)
        elif not raw.isascii() or (capital and (not self.start or not raw[1:].islower())):
            self.names.add(key)
            if self.opener:
                self.names.add(self.opener)
        self.opener = key if capital and self.start else ""
        self.role = self.role and capital
        if not (self.depth or self.role):
            self.major.add(key)
        if self.denied:
            self.denied -= 1
            self.negated.add(key)
        else:
            self.kept.add(key)


@lru_cache(maxsize=1 << 16)
def read(text: str) -> Reading:
    """Reads a text once: its words, and which of them are names, numbers, denied, or asides."""
    folded = fold(text)
    if not folded.isascii():
        folded = _HAN_CHAR.sub(r" \1 ", folded)
    reader = _Reader()
    for token in _TOKEN.findall(folded):
        if token in _PUNCTUATION:
            reader.punctuation(token)
        else:
            reader.word(token)
    return Reading(
        words=tuple(reader.words),
        content=frozenset(reader.content),
        names=frozenset(reader.names),
        numbers=frozenset(reader.numbers),
        negated=frozenset(reader.negated - reader.kept),
        minor=frozenset(reader.content - reader.major),
    )


def repetition(words: Sequence[str]) -> float:
    """How much of the text is repeats, 0 to 1; 1 where a word or clause comes three or more times in a row."""
    pairs = list(pairwise(words))
    if len(pairs) - len(set(pairs)) < 2:  # no loop without the same neighbours again; most texts end here
        return 0.0
    for period in range(1, min(20, len(words) // 2) + 1):
        run = 3 if period == 1 else 2 * period
        if b"\x01" * run in bytes(map(eq, words, words[period:])):
            return 1.0
    if len(words) < 12:
        return 0.0
    grams = list(zip(words, words[1:], words[2:], words[3:], strict=False))
    return 1 - len(set(grams)) / len(grams)


_MARK_LOOP = re.compile(r"([^\w\s.\-=*])\1{7,}")
_WORD_LOOP = re.compile(r"([^\W\d_]{1,4}?)\1{5,}|(\d)\2{11,}")
_MUTE = re.compile(r"\b[b-df-hj-np-tv-xz]{4,}\b")
_SCRIPTS = [
    re.compile(f"[{s}]") for s in ("A-Za-z", "\u0370-\u03ff", "\u0400-\u04ff", "\u0600-\u06ff", _HAN, "\uac00-\ud7af")
]
_ARTICLES = frozenset({"a", "an", "the"})
_NOT_AFTER_ARTICLE = frozenset({"a", "an", "the", "of", "is", "are", "was", "and"})
_DOUBLED = frozenset({"of", "and", "to", "or", "is", "are", "was", "with", "for", "by", "from"})


def _broken_grammar(words: Sequence[str]) -> bool:
    """Small words in an order that no sentence has: "of a of of", "the the is and"."""
    broken = sum((a in _ARTICLES and b in _NOT_AFTER_ARTICLE) or (a == b and a in _DOUBLED) for a, b in pairwise(words))
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
