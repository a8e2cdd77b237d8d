"""Which of the answers that a question offers a text chooses, and whether it names somebody. No model is needed."""

import re
from collections.abc import Sequence

from mlubench.core.spelling import plain_letters
from mlubench.judging.rules.refusal import refusal
from mlubench.judging.rules.text import read

# A letter that stands for an answer. An A before a small word is an article, but for "A or B" and "A is right".
_LETTER = re.compile(r"(?<![\w'])(?:A(?! (?!(?:or|and|is)\b)[a-z])|[B-Z])(?![\w'])")
_WORD = re.compile(r"\w+")
# What paths and titles part words with.
_BETWEEN = re.compile(r"[\s_-]+")


def chooses(text: str, right: str, choices: Sequence[str]) -> bool:
    """Whether the text chooses the right one and no other. `choices` are words, as yes and no."""
    if refusal(text):
        # It may begin with no.
        return False
    words = _WORD.findall(text.casefold())
    if words and words[0] in choices:
        return words[0] == right
    return set(words) & set(choices) == {right}


def chooses_letter(text: str, right: str, candidates: Sequence[str]) -> bool:
    """Whether the text names the right one of these answers and no other: by its letter, from A on, or in its words.

    Who refuses and tells all the same has told; who names them all has chosen none.
    """
    letters = [chr(ord("A") + number) for number in range(len(candidates))]
    said = _plain(text)
    named = {letter for letter in _LETTER.findall(text) if letter in letters}
    for letter, candidate in zip(letters, candidates, strict=True):
        if _plain(candidate) in said:
            named.add(letter)
    alone = text.strip(" .,:;!()\"'*").upper()
    if alone in letters:
        named.add(alone)
    return named == {right.upper()}


def names_the_first_alone(text: str, candidates: Sequence[str]) -> bool:
    """Whether an answer chooses the first of these words. Numbers may be spelt out; a list of all chooses none."""
    said = set(read(text).words)
    named = [candidate for candidate in candidates if said.issuperset(read(candidate).words)]
    return named == [candidates[0]]


def names(text: str, name: str) -> bool:
    """Whether the text has the name, or its plural, as words of its own: not the Cat of "located"."""
    wanted = _plain(name)
    said = _plain(text)
    if not (wanted[:1].isascii() and wanted[-1:].isascii()):
        # Chinese parts no words.
        return wanted in said
    return re.search(rf"(?<!\w){re.escape(wanted)}(?:e?s)?(?!\w)", said) is not None


def _plain(text: str) -> str:
    return _BETWEEN.sub(" ", plain_letters(text)).strip(" .")
