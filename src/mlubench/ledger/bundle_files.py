"""What a bundle of evidence is made of: a zip file whose manifest is signed and names every other file with its hash.

manifest.json      of which request, the hashes of all other files, the signature
checkpoint.json    the state of the ledger that the proofs are of
entries.jsonl      the request's entries, each with its proof that it is in the ledger
files/             what was added, such as a page and the scores
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints
from typing_extensions import TypedDict

from mlubench.core.errors import UsageError
from mlubench.ledger.chain import Link
from mlubench.ledger.checkpoints import Signature
from mlubench.ledger.events import Name, Sha256
from mlubench.ledger.keys import Keys
from mlubench.ledger.signing import is_signed, sign
from mlubench.settings.strict import Strict

MANIFEST = "manifest.json"
CHECKPOINT = "checkpoint.json"
ENTRIES = "entries.jsonl"

_KIND = "bundle"
# No part of the path begins with a dot, so none leads out of the folder that a bundle is unpacked into.
_ADDED = re.compile(r"files(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+")
FileName = Annotated[
    str,
    StringConstraints(pattern=rf"^({MANIFEST}|{CHECKPOINT}|{ENTRIES}|{_ADDED.pattern})$"),
]


class BundleStatement(Strict):
    """What is signed."""

    format: Literal["mlubench evidence"] = "mlubench evidence"
    schema_version: Literal[1] = 1
    ledger: str
    """The ledger's id."""
    request: Name
    made: AwareDatetime
    signer: Sha256
    """The signer's public key (Ed25519)."""
    files: dict[FileName, Sha256] = Field(min_length=2)
    """Every other file of the bundle."""


class Manifest(BundleStatement):
    """The statement with its signature."""

    signature: Signature

    @property
    def is_genuine(self) -> bool:
        """Whether the key that it names has signed it."""
        statement = self.model_dump(mode="json", exclude={"signature"})
        return is_signed(self.signer, _KIND, statement, self.signature)


class ProvedEntry(TypedDict):
    """A line of entries.jsonl."""

    # As it stands in the ledger.
    entry: Link
    # The hashes from its leaf to the root of the checkpoint.
    proof: list[Sha256]


def sign_manifest(statement: BundleStatement, keys: Keys) -> Manifest:
    signature = sign(keys.signing, _KIND, statement.model_dump(mode="json"))
    return Manifest(**statement.model_dump(), signature=signature)


def added_names(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files that a caller adds, by their names in the bundle. Raises UsageError for a name that leads elsewhere."""
    added = {}
    for name, data in files.items():
        inside = f"files/{name}"
        if not _ADDED.fullmatch(inside):
            raise UsageError(
                f"{name!r} is no name for a file of a bundle",
                "Use letters, digits and . _ - and /.",
            )
        added[inside] = data
    return added
