"""Verifies a bundle of evidence without the ledger: its signature, its files, and the proof of each entry."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from mlubench.core.errors import MlubenchError
from mlubench.core.reading import as_it_stands, json_value, of_shape
from mlubench.ledger.bundle_files import CHECKPOINT, ENTRIES, MANIFEST, Manifest, ProvedEntry
from mlubench.ledger.canonical import canonical_json, sha256
from mlubench.ledger.chain import leaf_of, recomputed_hash
from mlubench.ledger.checkpoints import Checkpoint, CheckpointFile, as_hashes
from mlubench.ledger.merkle import is_included
from mlubench.ledger.verification import (
    Report,
    Trust,
    growth_problems,
    shown_anchors,
    signature_problems,
    signed_by,
)
from mlubench.settings.strict import Strict

# Bytes of all files together, unpacked: more would be no bundle of ours.
_MOST_BYTES = 1 << 30
_MOST_FILES = 1000
# What the standard library raises of a zip file that is damaged, or is none.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)
Shape = TypeVar("Shape", bound=Strict)


def verify_bundle(path: Path, trust: Trust) -> Report:
    """Raises OSError for a file that cannot be read. Whatever else is wrong with it is in the report."""
    data = path.read_bytes()
    try:
        contents = _unpacked(data)
        manifest = _read(Manifest, contents, MANIFEST)
        state = _read(CheckpointFile, contents, CHECKPOINT)
    except MlubenchError as error:
        return Report("bundle", "", 0, None, (error.what,))
    lines = contents.get(ENTRIES, b"").split(b"\n")
    problems = [
        *_problems_of_files(manifest, contents),
        *signature_problems(state.checkpoint, trust),
        *growth_problems(state, trust),
        *_problems_of_entries(manifest, state.checkpoint, lines),
    ]
    return Report(
        "bundle",
        manifest.ledger,
        len(lines) - 1,
        state.checkpoint,
        tuple(problems),
        shown=(
            f"these entries about request {manifest.request} are in a ledger of {state.checkpoint.size}",
            "every file is as it was when the bundle was signed",
            signed_by(state.checkpoint, trust),
            *shown_anchors(trust),
        ),
        not_shown=tuple(_not_shown(trust)),
    )


def _unpacked(data: bytes) -> dict[str, bytes]:
    """The files in a zip by their names. Nothing is written anywhere, so no name can lead out of a folder."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _files_of(archive)
    except _DAMAGED as error:
        raise MlubenchError(f"it is no whole zip file: {error}") from None


def _files_of(archive: zipfile.ZipFile) -> dict[str, bytes]:
    members = archive.infolist()
    size = sum(member.file_size for member in members)
    if len(members) > _MOST_FILES or size > _MOST_BYTES:
        raise MlubenchError("it is larger than any bundle")
    contents: dict[str, bytes] = {}
    for member in members:
        if member.filename in contents:
            raise MlubenchError(f"{member.filename} is in it twice")
        with archive.open(member) as file:
            # Never more than its header says, which was counted.
            contents[member.filename] = file.read(member.file_size)
    return contents


def _read(shape: type[Shape], contents: Mapping[str, bytes], name: str) -> Shape:
    try:
        found = of_shape(json_value(contents[name]), shape, name)
    except KeyError:
        raise MlubenchError(f"it holds no {name}, so it is no bundle") from None
    except ValueError as error:
        raise MlubenchError(f"{name} is no JSON: {error}") from None
    if canonical_json(found.model_dump(mode="json")) != contents[name]:
        raise MlubenchError(f"{name} is not spelled as bundles are")
    return found


def _problems_of_files(manifest: Manifest, contents: Mapping[str, bytes]) -> Iterator[str]:
    if not manifest.is_genuine:
        yield "its manifest was changed: the signature does not fit"
    named = {MANIFEST, *manifest.files}
    for name in sorted(contents.keys() - named):
        yield f"{name} is in it, and not in its manifest"
    for name in sorted(named - contents.keys()):
        yield f"{name} is missing"
    for name, expected in manifest.files.items():
        if name in contents and sha256(contents[name]) != expected:
            yield f"{name} was changed"


def _problems_of_entries(
    manifest: Manifest, checkpoint: Checkpoint, lines: list[bytes]
) -> Iterator[str]:
    if (manifest.ledger, manifest.signer) != (checkpoint.ledger, checkpoint.signer):
        yield "its checkpoint is of another ledger than its manifest"
    indexes = []
    # The last line ends with a newline, and so nothing is behind it.
    for number, line in enumerate(lines[:-1], 1):
        place = f"entry {number} of the bundle"
        try:
            proved = _proved_entry(line)
            is_proved = _is_proved(proved, checkpoint)
        except MlubenchError as error:
            yield f"{place}: {error.what}"
            continue
        indexes.append(proved["entry"]["index"])
        if not is_proved:
            yield f"{place} is not in the ledger"
        event = proved["entry"]["event"]
        if not isinstance(event, dict) or event.get("request") != manifest.request:
            yield f"{place} is about another request"
    if lines[-1] or not indexes:
        yield "its entries were cut"
    if any(later <= earlier for earlier, later in pairwise(indexes)):
        yield "its entries are not in the order of the ledger"


def _proved_entry(line: bytes) -> ProvedEntry:
    try:
        value = json_value(line)
    except ValueError as error:
        raise MlubenchError(f"it is no JSON: {error}") from None
    return as_it_stands(value, ProvedEntry, "the line")


def _is_proved(proved: ProvedEntry, checkpoint: Checkpoint) -> bool:
    entry = proved["entry"]
    found = recomputed_hash(entry)
    return found == entry["hash"] and is_included(
        leaf_of(found),
        entry["index"],
        checkpoint.size,
        as_hashes(proved["proof"]),
        bytes.fromhex(checkpoint.root),
    )


def _not_shown(trust: Trust) -> Iterator[str]:
    yield "that there are no more entries about this request: only the whole ledger shows that"
    if not trust.anchors:
        yield "that its owner did not write the ledger anew: give an anchor (--anchor)"
    if trust.signer is None and not trust.anchors:
        yield "whose the signing key is: compare it with one that you know (--signer)"
