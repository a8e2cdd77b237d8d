"""One spelling of names and questions, so that what reads alike counts as one: case, width, accents, spacing, signs."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from mlubench.core.errors import DataError

_WORD = re.compile(r"[^\W_]+")
_SHOWN = 20


def words(text: str) -> list[str]:
    """The text's words in one spelling (NFKC, then without accents and case)."""
    wide = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return _WORD.findall("".join(c for c in wide if not unicodedata.combining(c)))


def folded(text: str) -> str:
    """The words with one space between them. A text of signs alone stays as it is: `!!!` is a name too."""
    return " ".join(words(text)) or unicodedata.normalize("NFKC", text).strip()


def runs(text: str, longest: int) -> Iterator[str]:
    """Every run of up to `longest` words that stand side by side."""
    found = words(text)
    for start in range(len(found)):
        for end in range(start + 1, min(len(found), start + longest) + 1):
            yield " ".join(found[start:end])


def refuse(what: str, problems: Iterable[str], hint: str) -> None:
    """Raises DataError that lists what is wrong, all at once as far as a line can hold it. No problem: nothing."""
    found = list(problems)
    if not found:
        return
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise DataError(f"{what}: {'; '.join(found[:_SHOWN])}{more}", hint)
