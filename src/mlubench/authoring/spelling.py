"""One spelling of names and questions, so that texts that look alike to a reader are equal."""

import re
import unicodedata
from collections.abc import Iterator

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """The text's words without differences of case, width, accents, spacing and signs."""
    # NFKC before casefold: full-width letters have a case only after it. NFKD after it: it takes
    # accents off their letters, so that they can be left out.
    spread = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    letters = "".join(c for c in spread if not unicodedata.combining(c))
    return _WORD.findall(letters)


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
