"""One spelling for names however they are written: case, accents, look-alike letters, leet digits, spaced-out letters."""

import re

from mlubench.core.spelling import plain_letters

_LEET = str.maketrans(
    {"0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a", "$": "s"}
)
_HAN = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_HAN_CHAR = re.compile(f"([{_HAN}])")
_POSSESSIVE = re.compile(r"['’ʼ`]s\b")
_JOINS = re.compile(r"(?<=\w)['’ʼ`](?=\w)")
_INSIDE = re.compile(r"(?<=[^\W\d_])!(?=[^\W\d_])")  # "M!chael", but not the end of a sentence
_WORD = re.compile(r"[^\W_]+(?:[@$][^\W_]+)*|[@$][^\W_]+")
_SPACED = re.compile(r"(?<![^ ])[a-z](?: [a-z])+(?![^ ])")


def fold(text: str, *, one: str = "i") -> str:
    """Words in lower-case plain letters, one space between them. Every Chinese or Japanese sign is a word.

    Digits stand for the letters they look like in words that hold letters too; `one` says what 1 stands for. Letters that
    stand alone in a row are one word, so that initials and spaced-out names are found.
    """
    return _joined(_words(text), one)


def spellings(text: str) -> tuple[str, ...]:
    """The text as folded, once for each letter that a 1 in it may stand for.

    Where a word mixes letters and digits, the numbers beside it may be words too: "F4r3w3ll 70" is "Farewell to".
    """
    words = _words(text)
    ones = ("i", "l") if any("1" in word for word in words) else ("i",)
    found = [_joined(words, one) for one in ones]
    if any(map(_mixes, words)):
        found += [_joined(words, one, numbers_too=True) for one in ones]
    return tuple(dict.fromkeys(found))


def _words(text: str) -> list[str]:
    """The words in lower-case plain letters, their digits not yet read as letters."""
    # After folding, which makes plain underscores of full-width ones.
    text = plain_letters(text).replace("_", " ")
    if not text.isascii() or "'" in text or "`" in text:
        text = _JOINS.sub("", _POSSESSIVE.sub("", text))
    if "!" in text:
        text = _INSIDE.sub("i", text)
    if not text.isascii():
        text = _HAN_CHAR.sub(r" \1 ", text)
    return _WORD.findall(text)


def _joined(words: list[str], one: str, *, numbers_too: bool = False) -> str:
    plain = []
    for word in words:
        if word.isalpha():
            plain.append(word)
        elif _mixes(word):
            plain.append(_as_letters(word, one))
        else:
            plain.append(_number_as_word(word, one) if numbers_too else word)
    return _SPACED.sub(lambda found: found.group().replace(" ", ""), " ".join(plain))


def _mixes(word: str) -> bool:
    """Whether it holds letters beside digits and signs. 1984 stays a number."""
    return not word.isalpha() and any(letter.isalpha() for letter in word)


def _as_letters(word: str, one: str) -> str:
    """The word with its digits and signs read as letters."""
    return word.replace("1", one).translate(_LEET)


def _number_as_word(number: str, one: str) -> str:
    """The number as the word that it looks like; itself where a digit of it looks like no letter."""
    word = _as_letters(number, one)
    return word if word.isalpha() else number
