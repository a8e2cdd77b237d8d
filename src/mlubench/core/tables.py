"""Tables of names: what can be asked for by name, and where it lives. Nothing is imported until it is used.

Each room has its own table (`unlearning/table.py`, `experiment/table.py`, `lumoe/gates/table.py`, `judging/table.py`,
`models/table.py`, `data/formats/table.py`). A package elsewhere adds a row by an entry point, a notebook by
`Table.register`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from mlubench.core.errors import UsageError, unknown_name

# Names become folders of a run.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a table."""

    # Where the thing is, as `module:attribute`, or the thing itself.
    target: object
    # What it does, in a few words.
    summary: str
    # The number of its paper on arXiv.
    source: str = ""
    # What a method minimises.
    formula: str = ""
    # What says beforehand what it lacks, without making it: `module:attribute`. Empty where making it says so.
    requires: str = ""


class Table(Mapping[str, Entry]):
    """Rows by name, in the order in which they are shown: those of the room, then those that were added from outside.

    `kind` is the word for one row in errors. `group` is the entry-point group in which other packages name theirs.
    `base` is a table whose rows come first and count as rows of this one.
    """

    def __init__(
        self,
        kind: str,
        rows: Mapping[str, Entry],
        *,
        group: str | None = None,
        base: "Table | None" = None,
        reserved: Iterable[str] = (),
    ) -> None:
        self.kind = kind
        self._rows = dict(rows)
        self._group = group
        self._base = base
        self._installed: dict[str, Entry] | None = None
        # Names that were added in this process.
        self._registered: set[str] = set()
        # Names that no added row may take, though they are no rows of this table.
        self.reserved: frozenset[str] = frozenset(reserved)

    def register(
        self, name: str, target: object, summary: str = "", *, source: str = "", formula: str = ""
    ) -> None:
        """Add a row in this process; one that was added so before is replaced, as when a notebook's cell is run again.

        Raises UsageError for a name that is taken or that no folder can bear, and for a target that nothing can call.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is no name for a {self.kind}", "Use letters, digits, - and _."
            )
        if not callable(target) and not isinstance(target, str):
            raise UsageError(
                f"{self.kind} {name!r} is a {type(target).__name__}", "Give a class or a function."
            )
        if name in self.reserved or (name in self and name not in self._registered):
            raise UsageError(
                f"{self.kind} {name!r} is there already", "Register it under another name."
            )
        self._rows[name] = Entry(target, summary or "registered in this process", source, formula)
        self._registered.add(name)

    def row(self, name: str) -> tuple[Entry, str]:
        """The row that `name` stands for, and the argument in it.

        A row `openai:<model>` holds every `openai:` with one. Raises UsageError for a name the table does not hold.
        """
        if name in self and "<" not in name:
            return self[name], ""
        prefix, _, argument = name.partition(":")
        if argument:
            for row, entry in self.items():
                if row.startswith(f"{prefix}:<"):
                    return entry, argument
        raise unknown_name(self.kind, name, self)

    def resolve(self, name: str) -> Any:
        """The object that `name` stands for, without its argument. Raises UsageError for a name that is not there."""
        return self._loaded(name, self.row(name)[0].target)

    def requirement(self, name: str) -> Any:
        """What says beforehand what `name` lacks; None where nothing does but making it."""
        requires = self.row(name)[0].requires
        return self._loaded(name, requires) if requires else None

    def _loaded(self, name: str, target: object) -> Any:
        if not isinstance(target, str):
            return target
        module, _, attribute = target.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"{self.kind} {name!r} cannot be loaded from {target}: {error}",
                "Install what it needs, or mend the package that names it.",
            ) from error

    def __getitem__(self, name: str) -> Entry:
        if name in self._rows:
            return self._rows[name]
        if self._base is not None and name in self._base:
            return self._base[name]
        return self._from_packages()[name]

    def __iter__(self) -> Iterator[str]:
        names = [*(self._base or ()), *self._rows, *self._from_packages()]
        return iter(dict.fromkeys(names))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _from_packages(self) -> Mapping[str, Entry]:
        """The rows that installed packages name. Read once, and only when a name is not one of our own."""
        if self._installed is None:
            found = entry_points(group=self._group) if self._group else ()
            self._installed = {
                point.name: Entry(
                    point.value, f"from {point.dist.name if point.dist else 'a package'}"
                )
                for point in found
            }
        return self._installed
