"""One spelling of names and questions, so that texts that look alike to a reader are equal."""

import re
import unicodedata
from collections.abc import Iterator

from mlubench.core.spelling import plain_letters

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """The text's words in plain letters, without differences of spacing and signs."""
    return _WORD.findall(plain_letters(text))


def normalised(text: str) -> str:
    """The words with one space between them.

    A text of signs alone stays as it is: `!!!` is a name too.
    """
    return " ".join(words(text)) or unicodedata.normalize("NFKC", text).strip()


def word_runs(text: str, longest: int) -> Iterator[str]:
    """Every run of 1 to `longest` neighbouring words."""
    found = words(text)
    for start in range(len(found)):
        last_end = min(len(found), start + longest)
        for end in range(start + 1, last_end + 1):
            yield " ".join(found[start:end])
