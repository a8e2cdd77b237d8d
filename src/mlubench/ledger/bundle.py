"""Writes a bundle of evidence: what the ledger holds of one request, with proofs, and files that go with it."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from mlubench.core.errors import UsageError
from mlubench.core.files import replacing
from mlubench.core.reading import json_value
from mlubench.ledger.bundle_files import (
    CHECKPOINT,
    ENTRIES,
    MANIFEST,
    BundleStatement,
    Manifest,
    added_names,
    sign_manifest,
)
from mlubench.ledger.canonical import canonical_json, sha256
from mlubench.ledger.chain import Chain
from mlubench.ledger.checkpoints import Checkpoint, CheckpointFile, growth_from
from mlubench.ledger.export import signed_chain
from mlubench.ledger.ledger import Ledger
from mlubench.ledger.merkle import inclusion_proof
from mlubench.ledger.tables import ENTRIES as ROWS
from mlubench.settings.strict import Strict

# Equal contents make equal files, so they all have the same time.
_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644 << 16


def write_bundle(
    ledger: Ledger,
    path: Path,
    request: str,
    *,
    files: Mapping[str, bytes] | None = None,
    anchors: Sequence[Checkpoint] = (),
) -> Manifest:
    """Write the bundle of one request. It appears whole, signed with the ledger's key.

    `files` are added by name, such as `page.html`; the bundle has them below files/. `anchors` are earlier checkpoints that
    somebody else keeps: the bundle brings along the proof that the ledger only grew since. Raises UsageError where the
    ledger holds nothing of the request, MlubenchError where the ledger is not whole.
    """
    contents = added_names(files or {})
    chain, checkpoint = signed_chain(ledger)
    state = CheckpointFile(checkpoint=checkpoint, grew_from=growth_from(chain, anchors))
    contents[CHECKPOINT] = _json(state)
    contents[ENTRIES] = b"".join(_proved_entries(ledger, chain, request))
    statement = BundleStatement(
        ledger=checkpoint.ledger,
        request=request,
        made=datetime.now(UTC),
        signer=checkpoint.signer,
        files={name: sha256(data) for name, data in contents.items()},
    )
    manifest = sign_manifest(statement, ledger.keys)
    contents[MANIFEST] = _json(manifest)
    _write_zip(path, contents)
    return manifest


def _proved_entries(ledger: Ledger, chain: Chain, request: str) -> Iterator[bytes]:
    rows = list(ledger.rows(ROWS.c.request == request, until=chain.size))
    if not rows:
        raise UsageError(
            f"the ledger holds nothing of request {request}", "See: mlubench ledger list."
        )
    for row in rows:
        entry = json_value(row.line)
        steps = inclusion_proof(chain.leaves, entry["index"])
        proof = [step.hex() for step in steps]
        yield canonical_json({"entry": entry, "proof": proof}) + b"\n"


def _json(of: Strict) -> bytes:
    return canonical_json(of.model_dump(mode="json"))


def _write_zip(path: Path, contents: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name in sorted(contents):
            member = zipfile.ZipInfo(name, _TIME)
            member.external_attr = _READABLE
            archive.writestr(member, contents[name], zipfile.ZIP_DEFLATED)
