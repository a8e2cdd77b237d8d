"""Where an entity's pictures come from: a folder, a list of web addresses, or drawn stand-ins."""

import os
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from mlubench.authoring.problems import raise_problems
from mlubench.authoring.rows import EntityRow
from mlubench.authoring.spec import PicturesSpec
from mlubench.authoring.stage import Context
from mlubench.authoring.user_files import read_csv
from mlubench.core.errors import UsageError
from mlubench.core.files import digest, file_sha256
from mlubench.core.spelling import path_below
from mlubench.data.records import short
from mlubench.data.render import RENDERER_VERSION

LICENCES = "licences.csv"
# The source of stand-ins, and all the licence they need.
DRAWN = f"drawn by mlubench ({RENDERER_VERSION})"
_LICENCE_COLUMNS = ("file", "licence", "source")
_ADDRESS_COLUMNS = ("entity", "address", "licence", "source")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture that an entity may get."""

    origin: Path | str  # a file, an address, or the name that a stand-in is drawn by
    source: str
    licence: str


Candidates = dict[str, list[Candidate]]  # entity key -> its pictures to try, in order


def find_candidates(ctx: Context, entities: list[EntityRow]) -> Candidates:
    """Each entity's pictures to try. Raises UsageError or DataError for a wrong folder or list."""
    settings = ctx.spec.pictures
    if settings.kind == "render":
        numbers = range(1, settings.per_entity + 1)
        drawn = [Candidate(f"{n}.jpg", DRAWN, DRAWN) for n in numbers]
        return {entity.key: drawn for entity in entities}
    if settings.kind == "folder":
        return _from_folder(_folder(ctx), settings, entities)
    return _from_addresses(ctx, entities)


def candidate_count(candidates: Candidates, most: int) -> int:
    """How many pictures there are to try, if no entity needs more than the `most` it may keep."""
    return sum(min(len(found), most) for found in candidates.values())


def source_fingerprint(ctx: Context) -> object:
    """What the pictures depend on outside the spec, as something that JSON can hold."""
    settings = ctx.spec.pictures
    if settings.kind == "render":
        return RENDERER_VERSION
    if settings.kind == "addresses":
        path = ctx.outside(settings.file or Path())
        return file_sha256(path) if path.is_file() else None
    folder = _folder(ctx)
    files = []
    for path in sorted(folder.glob("*/*/*")):
        fingerprint = _file_fingerprint(path, settings.max_bytes)
        files.append((path.relative_to(folder).as_posix(), fingerprint))
    licences = folder / LICENCES
    return digest([files, file_sha256(licences) if licences.is_file() else None], 64)


def _file_fingerprint(path: Path, max_bytes: int) -> str:
    """The hash of a file that will be read. Of all else its size or kind is enough."""
    facts = path.lstat()
    if stat.S_ISLNK(facts.st_mode):
        return str(path.readlink())
    if not stat.S_ISREG(facts.st_mode):
        return f"mode {facts.st_mode}"
    if facts.st_size <= max_bytes and os.access(path, os.R_OK):
        return file_sha256(path)
    return f"{facts.st_size} bytes"


def _folder(ctx: Context) -> Path:
    folder = ctx.outside(ctx.spec.pictures.root or Path())
    if not folder.is_dir():
        raise UsageError(
            f"pictures.root {folder} is not a folder", "Give the folder that holds <Class>/<Name>/."
        )
    return folder


def _from_folder(folder: Path, settings: PicturesSpec, entities: list[EntityRow]) -> Candidates:
    licences = _licences(folder)
    found: Candidates = {}
    problems = []
    for entity in entities:
        entity_folder = path_below(folder, entity.key)
        if entity_folder.is_symlink() or entity_folder.parent.is_symlink():
            problems.append(f"{short(entity.key)} is a link, which may lead out of the folder")
            continue
        found[entity.key] = []
        for path in _visible_files(entity_folder):
            name = f"{entity.key}/{path.name}"
            source, licence = licences.get(_composed(name), (name, settings.licence))
            found[entity.key].append(Candidate(path, source, licence))
    raise_problems(
        f"folders of pictures below {folder}", problems, "Put the pictures themselves there."
    )
    return found


def _composed(text: str) -> str:
    """The text in the Unicode form in which names are compared: a list may be written in another one than the disk."""
    return unicodedata.normalize("NFC", text)


def _visible_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _licences(folder: Path) -> dict[str, tuple[str, str]]:
    """file -> (source, licence), from `licences.csv` where there is one."""
    path = folder / LICENCES
    if not path.is_file():
        return {}
    found = {}
    for row in read_csv(path, ("file", "licence"), lambda c: c in _LICENCE_COLUMNS):
        file = row.cells.get("file", "")
        found[_composed(file)] = (row.cells.get("source") or file, row.cells.get("licence", ""))
    return found


def _from_addresses(ctx: Context, entities: list[EntityRow]) -> Candidates:
    path = ctx.outside(ctx.spec.pictures.file or Path())
    found: Candidates = {entity.key: [] for entity in entities}
    keys = {_composed(entity.key): entity.key for entity in entities}
    problems = []
    for row in read_csv(path, ("entity", "address"), lambda c: c in _ADDRESS_COLUMNS):
        key = keys.get(_composed(row.cells.get("entity", "")), row.cells.get("entity", ""))
        address = row.cells.get("address", "")
        if key not in found:
            problems.append(f"line {row.line} is of {short(key)}, no entity")
        elif not address:
            problems.append(f"line {row.line} has no address")
        else:
            source = row.cells.get("source") or address
            licence = row.cells.get("licence") or ctx.spec.pictures.licence
            found[key].append(Candidate(address, source, licence))
    raise_problems(
        str(path), problems, "Give an entity's key, Class/Name, and an address in each line."
    )
    return found
