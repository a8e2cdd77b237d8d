"""Finds out what a path or URL holds, a ledger, an export, a checkpoint or a bundle, and verifies that."""

from collections.abc import Sequence
from pathlib import Path

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.reading import json_value
from mlubench.ledger.bundle_verification import verify_bundle
from mlubench.ledger.checkpoints import read_checkpoint
from mlubench.ledger.verification import Report, Trust, verify_checkpoint, verify_export

_SQLITE = b"SQLite format 3\x00"
_ZIP = b"PK"
# Bytes of a checkpoint with many proofs. Exports may be of any size, and are not read as a whole.
_LARGEST_CHECKPOINT = 1 << 20


def verify(place: str, anchors: Sequence[Path] = (), signer: str | None = None) -> Report:
    """Verify whatever is there. `anchors` are files of checkpoints that were kept elsewhere.

    Raises UsageError where there is nothing, MlubenchError for an anchor that is none.
    """
    files = tuple(read_checkpoint(path) for path in anchors)
    trust = Trust(files, signer.lower() if signer else None)
    if "://" in place:
        return _verify_ledger(place, trust)
    path = Path(place)
    if not path.is_file():
        raise UsageError(
            f"there is no file {path}", "Give a ledger, or a file that `mlubench ledger` wrote."
        )
    with path.open("rb") as file:
        begins = file.read(len(_SQLITE))
    if begins == _SQLITE:
        return _verify_ledger(place, trust)
    if begins.startswith(_ZIP):
        return verify_bundle(path, trust)
    if _holds_checkpoint(path):
        return verify_checkpoint(path, trust)
    # What is damaged beyond being known is a damaged export.
    return verify_export(path, trust)


def _verify_ledger(place: str, trust: Trust) -> Report:
    # Only here: the rest needs no database.
    from mlubench.ledger.ledger import Ledger
    from mlubench.ledger.stored import verify_stored

    return verify_stored(Ledger.open(place, create=False), trust)


def _holds_checkpoint(path: Path) -> bool:
    """Whether the whole file is one JSON object with a checkpoint; an export has several lines of JSON."""
    if path.stat().st_size > _LARGEST_CHECKPOINT:
        return False
    try:
        value = json_value(path.read_bytes())
    except (ValueError, MlubenchError):
        return False
    return isinstance(value, dict) and "checkpoint" in value
