"""One expert as one file to carry elsewhere: a plain tar, the same bytes each time, and not trusted on its way in."""

import io
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import MANIFEST, appearing_dir, canonical, digest, is_whole
from mlubench.lumoe.experts import state
from mlubench.lumoe.experts.manifest import (
    check_folder,
    check_kind,
    is_inside,
    missing_fields,
    read_facts,
)
from mlubench.lumoe.experts.renaming import bring_up_to_date, rewrite_manifest
from mlubench.lumoe.experts.store import ExpertStore, require_name
from mlubench.runs.manifest import CarriedScore, Manifest, ManifestFacts

MAX_FILES = 64
MAX_BYTES = 16 * 2**30  # of all files together; a LoRA of rank 32 on a 13B is half a GiB
MAX_JSON = 64 * 2**20  # bytes of one JSON file, which is read into memory whole
_CHUNK = 2**20  # bytes
_ASK_AGAIN = "Ask for a new export; nothing was taken in."


def export_expert(
    store: ExpertStore,
    name: str,
    out: Path,
    version: int | None = None,
    *,
    scores: list[CarriedScore] | None = None,
) -> int:
    """Write a version, the current one if none is named, as the tar file `out`. Returns its number.

    `scores` at birth go into the manifest where it tells none, as an archive is older than its scores.
    Equal experts give equal bytes: names in order with the manifest last, no times, no owners. UsageError when `out`
    is there.
    """
    number = store.current(name) if version is None else version
    if number not in store.versions(name):
        raise UsageError(
            f"expert {name!r} has no version {number}", f"There are: {store.versions(name)}."
        )
    folder = store.folder(name, number)
    facts = check_folder(folder)
    _require_full(facts, f"expert {name!r}")
    manifest = (folder / MANIFEST).read_bytes()
    if scores and not facts.get("scores"):
        with_scores = {**facts, "scores": scores}
        manifest = (json.dumps(with_scores, indent=1, ensure_ascii=False) + "\n").encode()
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} exists", "Give a new file.")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as handle:
            with tarfile.open(fileobj=handle, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for file in sorted(facts["files"]):
                    with (folder / file).open("rb") as source:
                        _pack(tar, source, (folder / file).stat().st_size, f"{name}/{file}")
                _pack(tar, io.BytesIO(manifest), len(manifest), f"{name}/{MANIFEST}")
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return number


def _pack(tar: tarfile.TarFile, source: IO[bytes], size: int, name: str) -> None:
    # A fresh TarInfo has no owner and the time 0, so that equal experts give equal bytes.
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o644
    tar.addfile(entry, source)


def import_expert(
    store: ExpertStore, parcel: Path, *, max_bytes: int = MAX_BYTES
) -> tuple[str, int]:
    """Take the expert in `parcel` in as a new version and make it the current one. Returns its name and the number.

    Everything is checked in a temporary folder, and then appears at once. Raises MlubenchError naming what is wrong with
    the file, and UsageError when there is no such file or the store has this very expert already.
    """
    if not parcel.is_file():
        raise UsageError(f"{parcel} is not a file", "Give what `mlubench experts export` wrote.")
    with _opened(parcel) as tar:
        entries = _entries(tar, parcel, max_bytes)
        name = require_name(PurePosixPath(entries[0].name).parts[0])
        with state.locked(store.root):
            number = store.next_version(name)
            with appearing_dir(store.folder(name, number)) as out:
                for entry in entries:
                    _unpack(tar, entry, out / PurePosixPath(entry.name).relative_to(name))
                if not is_whole(out):
                    raise MlubenchError(f"{parcel} has no manifest: it is cut short", _ASK_AGAIN)
                facts = _checked(out, parcel)
                _require_full(facts, f"the expert in {parcel}")
                _require_same_base(store, facts, parcel)
                if bring_up_to_date(out, facts):
                    rewrite_manifest(out, facts)
                _require_new(store, name, read_facts(out))
            store.make_current(name, number, "import")
    return name, number


@contextmanager
def _opened(parcel: Path) -> Iterator[tarfile.TarFile]:
    try:
        # Plain tar alone: what is not compressed cannot swell.
        with tarfile.open(parcel, "r:") as tar:
            yield tar
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise MlubenchError(f"{parcel} is no whole tar file: {error}", _ASK_AGAIN) from error


def _entries(tar: tarfile.TarFile, parcel: Path, max_bytes: int) -> list[tarfile.TarInfo]:
    """The files in the archive, in its order, once all of them may be taken out."""
    entries: list[tarfile.TarInfo] = []
    for entry in tar:
        where = PurePosixPath(entry.name)
        if not is_inside(entry.name) or len(where.parts) < 2:
            raise MlubenchError(
                f"{parcel} holds {entry.name!r}, which would leave the expert's folder", _ASK_AGAIN
            )
        if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or entry.sparse:
            raise MlubenchError(
                f"{parcel} holds {entry.name!r}, which is a link or no plain file", _ASK_AGAIN
            )
        check_kind(where)
        entries.append(entry)
        if len(entries) > MAX_FILES or sum(e.size for e in entries) > max_bytes:
            raise MlubenchError(
                f"{parcel} holds more than {MAX_FILES} files or {max_bytes:,} bytes", _ASK_AGAIN
            )
        if where.suffix == ".json" and entry.size > MAX_JSON:
            raise MlubenchError(
                f"{parcel} holds {entry.name!r} of {entry.size:,} bytes", _ASK_AGAIN
            )
    # By folded case, as some file systems take `A` and `a` for one file.
    names = {entry.name.casefold() for entry in entries}
    experts = {PurePosixPath(entry.name).parts[0] for entry in entries}
    if len(names) != len(entries) or len(experts) != 1:
        raise MlubenchError(
            f"{parcel} holds no expert, or more than one, or a file twice", _ASK_AGAIN
        )
    return entries


def _unpack(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    source: IO[bytes] | None = tar.extractfile(entry)
    assert source is not None  # it is a plain file
    with path.open("xb") as handle:
        remaining = entry.size
        while remaining:
            chunk = source.read(min(_CHUNK, remaining))
            if not chunk:
                raise tarfile.ReadError(f"{entry.name} is cut short")
            handle.write(chunk)
            remaining -= len(chunk)
        handle.flush()
        os.fsync(handle.fileno())


def _checked(folder: Path, parcel: Path) -> Manifest:
    try:
        return check_folder(folder)
    except MlubenchError as error:
        # The temporary folder is about to vanish, so the error names the parcel in its place.
        what = error.what.replace(f"{folder}/", "")
        raise MlubenchError(f"{parcel}: {what}", _ASK_AGAIN) from error


def _require_full(facts: ManifestFacts, what: str) -> None:
    """An expert that does not say what it was made for could be mounted anywhere: it does not travel."""
    lacking = missing_fields(facts)
    if lacking:
        raise MlubenchError(
            f"the manifest of {what} lacks {', '.join(lacking)}",
            "It is of an older run: make the expert anew.",
        )


def _require_same_base(store: ExpertStore, facts: ManifestFacts, parcel: Path) -> None:
    """Raises MlubenchError where the experts of the store are of another base: they would never answer together."""
    for name in store.names():
        there = read_facts(store.folder(name))
        # The same base may lie elsewhere on another machine.
        same_name = Path(str(there.get("base"))).name == Path(str(facts["base"])).name
        # Manifests of older runs hold no hashes: then the name decides.
        hashes = there.get("base_sha256")
        same = hashes == facts["base_sha256"] if hashes else same_name
        if not same:
            which = "other weights of that base" if same_name else f"the base {there.get('base')}"
            raise MlubenchError(
                f"the expert in {parcel} was made for the base {facts['base']}, and those in {store.root} for {which}",
                "Import it into a store of its own; nothing was taken in.",
            )


def _require_new(store: ExpertStore, name: str, facts: ManifestFacts) -> None:
    """Raises UsageError where a version of the expert that has its weights says the very same of itself."""
    if store.next_version(name) == 1:
        return
    for number in store.versions(name):
        # The manifest of a pruned version is here and its weights are not: the import brings them back.
        if store.pruned(name, number):
            continue
        there = read_facts(store.folder(name, number))
        # Scores are added on the way out, and make no other expert of it.
        if canonical({**there, "scores": None}) == canonical({**facts, "scores": None}):
            raise UsageError(
                f"{store.root} has this expert {name!r} as version {number}",
                f"Make it the current one with `mlubench experts rollback {name} --to {number}`.",
            )


def default_name(store: ExpertStore, name: str, version: int | None) -> str:
    """A file name for an export that says which expert it is: name, version, and the start of its hash."""
    number = store.current(name) if version is None else version
    return f"{name}-{number}-{digest(read_facts(store.folder(name, number)), 8)}.tar"
