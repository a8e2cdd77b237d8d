"""The parts of a download, by name, and which of them are to be forgotten and kept."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlubench.core.errors import UsageError, unknown_name
from mlubench.data.formats.rows import SUFFIXES, Row, rows_of
from mlubench.types import Split

# The parts of a download: their files, in order, by name.
Parts = Mapping[str, Sequence[Path]]


@dataclass(frozen=True, slots=True)
class Halves:
    """The original's names of what is to be forgotten and of what is to be kept."""

    forget: str
    retain: str

    def sides(self) -> Iterator[tuple[Split, str]]:
        yield "forget", self.forget
        yield "retain", self.retain


def parts_of(source: Path) -> Parts:
    """The parts of a folder: each folder in it with its files, and each file beside them. Of a file: itself.

    Raises UsageError where there is nothing to read.
    """
    if not source.exists():
        raise UsageError(
            f"{source} does not exist", "Give the folder or file as it was downloaded."
        )
    parts: dict[str, list[Path]] = {}
    if source.is_file():
        parts[source.stem] = [source]
    else:
        for entry in sorted(source.iterdir()):
            if entry.name.startswith("."):
                continue
            files = _readable(entry.rglob("*")) if entry.is_dir() else _readable([entry])
            if files:
                parts.setdefault(entry.name if entry.is_dir() else entry.stem, []).extend(files)
    if not parts:
        wanted = ", ".join(SUFFIXES)
        raise UsageError(
            f"{source} holds no file of the kinds {wanted}", "Give the whole download."
        )
    return parts


def _readable(paths: Collection[Path] | Iterator[Path]) -> list[Path]:
    return sorted(path for path in paths if path.suffix in SUFFIXES and path.is_file())


def rows_in(parts: Parts, name: str) -> Iterator[Row]:
    """The rows of a part; none where it is not there."""
    for path in parts.get(name, ()):
        yield from rows_of(path)


def halves(parts: Parts, pattern: str, retain: str, wanted: str | None) -> Halves | None:
    """What the original forgets and keeps: the set that is wanted, or the largest of those that are there.

    `pattern` matches names of forget sets, and its first group is the share in per cent. `retain` is the name of what
    is kept beside it, with {share} for what is left of the hundred. None: there is no forget set, and none is wanted.
    Raises UsageError where the set that is wanted or what is kept beside it is not there.
    """
    shares: dict[str, int] = {}
    for name in parts:
        found = re.fullmatch(pattern, name)
        if found:
            shares[name] = int(found.group(1))
    if wanted is not None and wanted not in shares:
        raise unknown_name("forget set", wanted, shares or parts)
    if not shares:
        return None
    forget = wanted or max(shares, key=lambda name: shares[name])
    kept = retain.format(share=100 - shares[forget])
    if kept not in parts:
        raise UsageError(
            f"{forget} is there without {kept}, which is to be kept", f"Download {kept} as well."
        )
    return Halves(forget, kept)


def unread(parts: Parts, read: Collection[str]) -> list[str]:
    """The parts that a reader has no use for."""
    return [name for name in parts if name not in read]
