"""Tables of names: what can be asked for by name, and where it lives. Nothing is imported until it is used.

Each room has its own table (`unlearning/table.py`, `experiment/table.py`, `lumoe/gates/table.py`, `judging/table.py`,
`models/table.py`). A package elsewhere adds a row by an entry point, a notebook by `Table.register`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from mlubench.core.errors import UsageError, unknown_name


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
    ) -> None:
        self.kind = kind
        self._rows = dict(rows)
        self._group = group
        self._base = base
        self._installed: dict[str, Entry] | None = None

    def register(
        self, name: str, target: object, summary: str = "", *, source: str = "", formula: str = ""
    ) -> None:
        """Add a row in this process. Raises UsageError for a name that is taken by another thing."""
        row = Entry(target, summary or "registered in this process", source, formula)
        if name in self and self[name] != row:
            raise UsageError(
                f"{self.kind} {name!r} is there already", "Register it under another name."
            )
        self._rows[name] = row

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
        target = self.row(name)[0].target
        if not isinstance(target, str):
            return target
        module, _, attribute = target.partition(":")
        return getattr(import_module(module), attribute)

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
