"""What is read out of an answer before any rule judges it: its words, names and numbers in comparable form."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache


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
_CARDINALS = (
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
_ORDINALS = (
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
)
_NUMBER_WORDS = {w: str(n) for row in (_CARDINALS, _ORDINALS) for n, w in enumerate(row, start=1)}
DIRECTIONS = word_set("north south east west northeast northwest southeast southwest")
_QUOTES = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "«": '"', "»": '"', "–": "-", "—": "-"}
)
# Letters whose strokes are no accents to Unicode: "Jørn" is written "Jorn" too.
_STROKES = str.maketrans({"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "æ": "ae", "ß": "ss"})
HAN = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_HAN_CHAR = re.compile(f"([{HAN}])")
# A Latin word that goes on in Han characters: what `_mend` looks at.
_MIXED_WORD = re.compile(rf"[A-Za-z][\w.]*[{HAN}]\S*")
_ACCENT = re.compile("[\u0300-\u036f]")
# "J. K. Rowling" and "U.S.".
_INITIALS = re.compile(r"\b(?:[A-Za-z]\.\s?){2,}")
_DIGIT = re.compile(r"\d")
_ISO = re.compile(r"\b(\d{4})-(0[1-9]|1[0-2])-([0-3]\d)\b")
_SHORT = "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
_SHORT_MONTH = re.compile(rf"\b({_SHORT})\b\.?(?=,? ?\d)|(?<=\d )({_SHORT})\b\.?", re.IGNORECASE)
# Dates whose order is certain, since no month has a number above 12.
_DAY_FIRST = re.compile(r"\b(1[3-9]|2\d|3[01])[/.](0?[1-9]|1[0-2])[/.](\d{4})\b")
_MONTH_FIRST = re.compile(r"\b(0?[1-9]|1[0-2])[/.](1[3-9]|2\d|3[01])[/.](\d{4})\b")
MINUS = "minus"
# A minus before a temperature; elsewhere a hyphen before a number is a range.
_SIGN = re.compile(r"(?<![\w)])[-\u2212](?=\d[\d.,]* ?(?:°|degrees|[CF]\b))")
_SAINT = re.compile(r"\bSt\.? (?=[A-Z])")
_BEFORE_CHRIST = re.compile(r"\bBCE\b")
_COUNTRIES = (
    (re.compile(r"\bUnited States(?: of America)?\b|\bUS\b"), "USA"),
    (re.compile(r"\bUnited Kingdom\b"), "UK"),
)
# A mark, a number (with its ordinal ending), or a word.
_TOKEN = re.compile(r"[.,!?;:()\n]|\d+(?:[.,]\d+)*(?:st|nd|rd|th)?(?![^\W_])|[^\W_]+(?:'[^\W_]+)*")
_ENDS = frozenset(".!?:\n")
_PUNCTUATION = frozenset(".,!?;:()\n")


# A country or a continent and its people are one word here: "a painter from Mexico" is a Mexican painter.
PEOPLES = dict(
    pair.split("/")
    for pair in word_set(
        """mexico/mexican denmark/danish france/french germany/german italy/italian spain/spanish portugal/portuguese
        netherlands/dutch belgium/belgian switzerland/swiss austria/austrian sweden/swedish norway/norwegian
        finland/finnish poland/polish russia/russian turkey/turkish greece/greek egypt/egyptian india/indian china/chinese
        japan/japanese korea/korean canada/canadian brazil/brazilian australia/australian scotland/scottish ireland/irish
        england/english britain/british america/american africa/african asia/asian europe/european"""
    )
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says, in comparable words (stems)."""

    # Every word, in order.
    words: tuple[str, ...]
    # Without stop-words and negations.
    content: frozenset[str]
    # Of the content, what is written as a name, and what begins with a digit.
    names: frozenset[str]
    numbers: frozenset[str]
    # Content that is said only to deny it: "dog" of "It is not a dog".
    negated: frozenset[str]
    # Stretches of content that no small word or mark parts: ("small", "rocky", "planet").
    runs: tuple[tuple[str, ...], ...]
    # Content that stands only in brackets or as a role: "Frodo" of "Elijah Wood as Frodo".
    minor: frozenset[str]

    @property
    def years(self) -> frozenset[str]:
        return frozenset(filter(_is_year, self.numbers))


def _is_year(number: str) -> bool:
    return len(number) == 4 and number.isdigit() and "1000" <= number <= "2100"


def _mend(match: re.Match[str]) -> str:
    """UTF-8 that was once read as GBK ("Pok鑼卪on"), as some published answers are; left alone where it is not that."""
    word = match.group()
    # Some have gone through it twice.
    for _ in range(2):
        try:
            word = word.encode("gbk").decode("utf-8")
        except UnicodeError:
            break
    return word


def _month(match: re.Match[str]) -> str:
    start = (match[1] or match[2])[:3].lower()
    return next(m for m in MONTHS if m.startswith(start)).capitalize()


def _date(year: str, month: str, day: str) -> str:
    return f"{MONTHS[int(month) - 1].capitalize()} {int(day)} {year}"


def fold(text: str) -> str:
    """The text with width, accents, quotes, initials and dates in one form; case and line breaks are kept."""
    if not text.isascii():
        text = _MIXED_WORD.sub(_mend, text)
        text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
        text = unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFD", text)))
        text = text.translate(_STROKES)
    if "." in text:
        text = _INITIALS.sub(lambda m: re.sub(r"[.\s]", "", m.group()) + " ", text)
    if "S" in text:
        text = _SAINT.sub("Saint ", text)
    if "U" in text:
        for country, short in _COUNTRIES:
            text = country.sub(short, text)
    if not _DIGIT.search(text):
        return text
    text = _DAY_FIRST.sub(lambda m: _date(m[3], m[2], m[1]), text)
    text = _MONTH_FIRST.sub(lambda m: _date(m[3], m[1], m[2]), text)
    text = _BEFORE_CHRIST.sub("BC", text)
    text = _SIGN.sub(f"{MINUS} ", text)
    text = _ISO.sub(lambda m: _date(m[1], m[2], m[3]), text)
    return _SHORT_MONTH.sub(_month, text)


# Endings that are cut off, and what is put in their place; the first that fits is the only one.
_ENDINGS = (("ies", "y"), ("ing", ""), ("ed", ""), ("ly", ""), ("sses", "ss"), ("s", ""))


@lru_cache(maxsize=1 << 17)
def stem(word: str) -> str:
    """A comparable form of one word: plain digits for numbers, light suffix stripping for the rest."""
    word = word.casefold().removesuffix("'s")
    word = PEOPLES.get(word, word)
    if word[:1].isdigit():
        # "24th" and "1990s"; "4,333" is one number, "7,6" is left as it stands.
        word = re.sub(r"(?:st|nd|rd|th|s)$", "", word)
        return re.sub(r",(?=\d{3}(?!\d))", "", word)
    if word in _NUMBER_WORDS:
        return _NUMBER_WORDS[word]
    if not word.isascii() or len(word) < 4:
        return word
    word = _without_ending(word)
    word = PEOPLES.get(word, word)
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def _without_ending(word: str) -> str:
    if word.endswith("vorous"):
        # "herbivorous" is what "herbivore" says.
        return word[:-3]
    if word.endswith(("lves", "eaves")):
        return word[:-3] + "f"
    if word.endswith("ern") and word[:-3] in DIRECTIONS:
        # "In eastern Australia" is in the east of Australia.
        return word[:-3]
    # "glass", "virus" and "basis" are no plurals.
    if word.endswith(("ss", "us", "is")):
        return word
    for ending, new in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + new
    return word


class _Reader:
    """Walks the tokens of a text once. Its state is what the next word's meaning depends on."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.content: set[str] = set()
        self.names: set[str] = set()
        self.numbers: set[str] = set()
        self.runs: list[list[str]] = [[]]
        # Words said at least once without a negation, and with one.
        self.affirmed: set[str] = set()
        self.negated: set[str] = set()
        # Words said at least once in the sentence itself, not in an aside or a role.
        self.major: set[str] = set()
        # Whether a sentence begins here: its first word has a capital whether it is a name or not.
        self.at_start = True
        # How many brackets are open.
        self.depth = 0
        # How many content words the last negation still reaches.
        self.denied = 0
        # Whether the capitals that follow "as" name a role.
        self.in_role = False
        # The capitalised first word of the sentence, which is a name if a name follows it at once.
        self.opener = ""
        # The word or mark before, in small letters.
        self.last = ""

    def punctuation(self, mark: str) -> None:
        if mark == "(":
            self.depth += 1
        elif mark == ")" and self.depth:
            self.depth -= 1
        self.runs.append([])
        self.denied = 0
        self.opener = ""
        self.in_role = False
        self.last = mark
        if mark in _ENDS:
            self.at_start = True

    def word(self, raw: str) -> None:
        low = raw.casefold()
        stemmed = stem(low)
        self.words.append(stemmed)
        if low in STOP or _is_negation(low):
            self._small_word(low)
        else:
            self._content_word(raw, stemmed)
        self.at_start = False
        self.last = low

    def _small_word(self, low: str) -> None:
        self.runs.append([])
        if _is_negation(low):
            # "does not have a ring system": the two or three words after it are denied.
            self.denied = 3
        elif low in ("but", "only", "just"):
            # "not only big": the negation has ended.
            self.denied = 0
        # "known as Jack" gives a name, "Sean Astin as Sam" a role.
        self.in_role = low == "as" and self.last != "known"
        self.opener = ""

    def _content_word(self, raw: str, stemmed: str) -> None:
        self.content.add(stemmed)
        self.runs[-1].append(stemmed)
        is_capital = raw[0].isupper()
        # A capital at the start of a sentence says nothing, unless there is another one in the word: "iPhone", "NASA".
        looks_like_name = is_capital and (not self.at_start or not raw[1:].islower())
        if raw[0].isdigit():
            self.numbers.add(stemmed)
        elif looks_like_name or not raw.isascii():
            self.names.add(stemmed)
            if self.opener:
                self.names.add(self.opener)
        self.opener = stemmed if is_capital and self.at_start else ""
        self.in_role = self.in_role and is_capital
        if not self.depth and not self.in_role:
            self.major.add(stemmed)
        if self.denied:
            self.denied -= 1
            self.negated.add(stemmed)
        else:
            self.affirmed.add(stemmed)


def _is_negation(low: str) -> bool:
    return low in NEGATIONS or low.endswith("n't")


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
        negated=frozenset(reader.negated - reader.affirmed),
        runs=tuple(tuple(run) for run in reader.runs if run),
        minor=frozenset(reader.content - reader.major),
    )
