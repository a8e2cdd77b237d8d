"""Errors that say what went wrong, what was got, and what to do next, in one line."""

from collections.abc import Iterable
from difflib import get_close_matches


class MlubenchError(Exception):
    """Something failed. Shown as one line, exit code 1."""

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(sentences(what, hint))
        self.what = what
        self.hint = hint


def sentences(what: str, hint: str) -> str:
    """Both as one text. `what` gets a full stop before a hint, unless it ends like a sentence already."""
    if not hint:
        return what
    stop = "" if what.endswith((".", "?", "!")) else "."
    return f"{what}{stop} {hint}"


class UsageError(MlubenchError):
    """The call itself was wrong: a name, a path, a setting. Exit code 2."""

    exit_code = 2


class DataError(MlubenchError):
    """A benchmark file cannot be used; `mlubench data check` lists everything that is wrong."""


# Of what a library says, so many characters are shown: some list all that they know.
_LONGEST_LINE = 300


def first_line(error: Exception) -> str:
    """The first line of what a library says, if need be cut; or the kind of its error where it says nothing."""
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    if len(lines[0]) > _LONGEST_LINE:
        return f"{lines[0][:_LONGEST_LINE].rstrip()} ..."
    # Ours go on with a full stop of their own.
    return lines[0].rstrip(".: ")


def written_to(error: OSError) -> str:
    """The file of an error of the system. Of a copy it is the second one that could not be written."""
    return str(error.filename2 or error.filename or "no file named")


def unknown_name(kind: str, got: str, known: Iterable[str]) -> UsageError:
    """The error for a name that no table holds, with the nearest known name as the hint."""
    names = sorted(known)
    near = get_close_matches(got, names, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}."
    return UsageError(f"unknown {kind} {got!r}", hint)


def all_errors(error: Exception) -> str:
    """What is wrong with each setting and what was got, on one line."""
    # Only here: help must stay fast, and every command imports this module.
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    lines = []
    for wrong in error.errors():
        # Pydantic puts this before the messages of our own validators.
        line = wrong["msg"].removeprefix("Value error, ")
        where = ".".join(str(part) for part in wrong["loc"])
        # What concerns the settings as a whole has no place.
        if where:
            line = f"{where}: {line}"
        # A whole table of settings would fill the screen.
        if isinstance(wrong["input"], str | int | float | bool):
            line += f", got {wrong['input']!r}"
        lines.append(line)
    return "; ".join(lines)
