"""One error for everything that is wrong in what a person wrote, so that one pass mends it all."""

from collections.abc import Iterable

from mlubench.core.errors import DataError

_SHOWN = 20  # more would not be read


def raise_problems(what: str, problems: Iterable[str], hint: str) -> None:
    """Raises DataError that lists the problems. Does nothing if there are none."""
    found = list(problems)
    if not found:
        return
    text = f"{what}: {'; '.join(found[:_SHOWN])}"
    if len(found) > _SHOWN:
        text += f"; and {len(found) - _SHOWN} more"
    raise DataError(text, hint)
