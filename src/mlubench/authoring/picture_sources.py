"""Where an entity's pictures come from: a folder, a list of web addresses, or the drawer of stand-ins."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlubench.authoring.folding import refuse
from mlubench.authoring.rows import EntityRow
from mlubench.authoring.spec import PicturesSpec
from mlubench.authoring.stages import Context
from mlubench.authoring.tables import read_csv
from mlubench.core.errors import UsageError
from mlubench.core.files import digest, file_sha256
from mlubench.data.records import short
from mlubench.data.render import RENDERER_VERSION

LICENCES = "licences.csv"
DRAWN = f"drawn by mlubench ({RENDERER_VERSION})"  # the source of stand-ins, and all the licence they need
_ADDRESS_COLUMNS = ("entity", "address", "licence", "source")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture that an entity may get. `origin`: a file, an address, or the name that a stand-in is drawn by."""

    origin: Path | str
    source: str
    licence: str


def candidates(ctx: Context, people: list[EntityRow]) -> dict[str, list[Candidate]]:
    """Each entity's pictures to try, in order, by key. Raises UsageError or DataError for a wrong folder or list."""
    pictures = ctx.spec.pictures
    if pictures.kind == "render":
        drawn = [Candidate(f"{n}.jpg", DRAWN, DRAWN) for n in range(1, pictures.per_entity + 1)]
        return {one.key: drawn for one in people}
    if pictures.kind == "folder":
        return _from_folder(_root(ctx), pictures, people)
    return _from_addresses(ctx, people)


def facts_of(ctx: Context) -> Any:
    """What the pictures depend on outside the spec: JSON-like."""
    pictures = ctx.spec.pictures
    if pictures.kind == "render":
        return RENDERER_VERSION
    if pictures.kind == "addresses":
        path = ctx.outside(pictures.file or Path())
        return file_sha256(path) if path.is_file() else None
    root = _root(ctx)
    listed = [
        (p.relative_to(root).as_posix(), _file_facts(p, pictures.max_bytes))
        for p in sorted(root.glob("*/*/*"))
    ]
    licences = root / LICENCES
    return digest([listed, file_sha256(licences) if licences.is_file() else None], 64)


def _file_facts(path: Path, limit: int) -> str:
    """A small file's content; what else there is will not be read, so its size or kind tells enough."""
    facts = path.lstat()
    if not stat.S_ISREG(facts.st_mode):
        return str(path.readlink()) if stat.S_ISLNK(facts.st_mode) else f"mode {facts.st_mode}"
    return (
        file_sha256(path)
        if facts.st_size <= limit and os.access(path, os.R_OK)
        else f"{facts.st_size} bytes"
    )


def _root(ctx: Context) -> Path:
    root = ctx.outside(ctx.spec.pictures.root or Path())
    if not root.is_dir():
        raise UsageError(
            f"pictures.root {root} is not a folder", "Give the folder that holds <Class>/<Name>/."
        )
    return root


def _from_folder(
    root: Path, pictures: PicturesSpec, people: list[EntityRow]
) -> dict[str, list[Candidate]]:
    said = _licences(root)
    found: dict[str, list[Candidate]] = {}
    wrong = []
    for one in people:
        folder = root / one.key
        if folder.is_symlink() or folder.parent.is_symlink():
            wrong.append(f"{short(one.key)} is a link, which may lead out of the folder")
            continue
        files = (
            sorted(p for p in folder.iterdir() if not p.name.startswith("."))
            if folder.is_dir()
            else []
        )
        names = [f"{one.key}/{p.name}" for p in files]
        found[one.key] = [
            Candidate(p, *said.get(name, (name, pictures.licence)))
            for p, name in zip(files, names, strict=True)
        ]
    refuse(f"folders of pictures below {root}", wrong, "Put the pictures themselves there.")
    return found


def _licences(root: Path) -> dict[str, tuple[str, str]]:
    """{file: (source, licence)} of `licences.csv`, where there is one."""
    if not (root / LICENCES).is_file():
        return {}
    rows = read_csv(
        root / LICENCES, ("file", "licence"), lambda c: c in ("file", "licence", "source")
    )
    return {
        cells["file"]: (cells.get("source") or cells["file"], cells.get("licence", ""))
        for _, cells in rows
    }


def _from_addresses(ctx: Context, people: list[EntityRow]) -> dict[str, list[Candidate]]:
    path = ctx.outside(ctx.spec.pictures.file or Path())
    found: dict[str, list[Candidate]] = {one.key: [] for one in people}
    wrong = []
    for number, cells in read_csv(
        path, _ADDRESS_COLUMNS[:2], lambda column: column in _ADDRESS_COLUMNS
    ):
        if problem := _row_problem(cells, found):
            wrong.append(f"line {number} {problem}")
            continue
        licence = cells.get("licence") or ctx.spec.pictures.licence
        found[cells["entity"]].append(
            Candidate(cells["address"], cells.get("source") or cells["address"], licence)
        )
    refuse(str(path), wrong, "Give an entity's key, Class/Name, and an address in each line.")
    return found


def _row_problem(cells: dict[str, str], known: dict[str, list[Candidate]]) -> str | None:
    if cells.get("entity") not in known:
        return f"is of {short(cells.get('entity', ''))}, no entity"
    return None if cells.get("address") else "has no address"


def count(found: dict[str, list[Candidate]], most: int) -> int:
    """How many there are to try, where an entity has more than it may keep: those that it may keep."""
    return sum(min(len(mine), most) for mine in found.values())


def without_pictures(found: dict[str, list[Candidate]]) -> Iterator[str]:
    return (key for key, mine in found.items() if not mine)
