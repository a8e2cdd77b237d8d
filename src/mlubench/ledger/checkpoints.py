"""Checkpoints: a signed statement of how long a ledger is and which root it has. Kept elsewhere, one is an anchor.

Against an anchor no entry that it covers can be changed, and no tail can be cut, by anybody, the ledger's owner included.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from mlubench.core.errors import MlubenchError
from mlubench.core.files import write_json
from mlubench.core.reading import read_json
from mlubench.ledger.chain import Chain
from mlubench.ledger.events import Sha256
from mlubench.ledger.keys import Keys
from mlubench.ledger.merkle import Hash, consistency_proof, is_consistent
from mlubench.ledger.signing import is_signed, public_key, sign
from mlubench.settings.strict import Strict

_KIND = "checkpoint"
Signature = Annotated[str, Field(pattern="^[0-9a-f]{128}$")]


class Statement(Strict):
    """What is signed."""

    schema_version: Literal[1] = 1
    ledger: str
    """The ledger's id."""
    size: int = Field(ge=0)
    """How many entries it covers."""
    root: Sha256
    """Of the tree over them (RFC 6962); a leaf is the hash of an entry."""
    head: Sha256
    """The hash of the last of them."""
    made: AwareDatetime
    """When, by the clock of who signed."""
    signer: Sha256
    """The signer's public key (Ed25519)."""


class Checkpoint(Statement):
    """A statement with its signature."""

    signature: Signature

    @property
    def is_genuine(self) -> bool:
        """Whether the key that it names has signed it. Whose key that is, it cannot say."""
        statement = self.model_dump(mode="json", exclude={"signature"})
        return is_signed(self.signer, _KIND, statement, self.signature)


class Growth(Strict):
    """Shows that a checkpoint's ledger grew from an earlier one, and nothing of that was changed."""

    size: int = Field(ge=0)
    root: Sha256
    proof: tuple[Sha256, ...]


class CheckpointFile(Strict):
    """A checkpoint as it is written, with what ties it to earlier ones."""

    checkpoint: Checkpoint
    grew_from: tuple[Growth, ...] = ()


def sign_checkpoint(chain: Chain, keys: Keys) -> Checkpoint:
    """The checkpoint of a chain that was found whole."""
    statement = Statement(
        ledger=chain.ledger,
        size=chain.size,
        root=chain.root(),
        head=chain.head,
        made=datetime.now(UTC),
        signer=public_key(keys.signing),
    )
    signature = sign(keys.signing, _KIND, statement.model_dump(mode="json"))
    return Checkpoint(**statement.model_dump(), signature=signature)


def growth_from(chain: Chain, earlier: Sequence[Checkpoint]) -> tuple[Growth, ...]:
    """The proofs that the chain grew from earlier checkpoints. Raises MlubenchError where it did not."""
    return tuple(_growth(chain, checkpoint) for checkpoint in earlier)


def _growth(chain: Chain, earlier: Checkpoint) -> Growth:
    if earlier.size > chain.size or earlier.root != chain.root(earlier.size):
        raise MlubenchError(
            f"the ledger did not grow from the checkpoint of {earlier.size} entries",
            "It is of another ledger, or entries were changed since: mlubench ledger verify --anchor.",
        )
    proof = consistency_proof(chain.leaves, earlier.size)
    return Growth(size=earlier.size, root=earlier.root, proof=tuple(step.hex() for step in proof))


def grew_from(later: CheckpointFile, earlier: Checkpoint) -> bool:
    """Whether the file shows that its ledger grew from the earlier checkpoint's."""
    now = later.checkpoint
    if earlier.size == now.size:
        return earlier.root == now.root
    return any(_shows(growth, earlier, now) for growth in later.grew_from)


def _shows(growth: Growth, earlier: Checkpoint, later: Checkpoint) -> bool:
    if (growth.size, growth.root) != (earlier.size, earlier.root):
        return False
    return is_consistent(
        earlier.size,
        bytes.fromhex(earlier.root),
        later.size,
        bytes.fromhex(later.root),
        as_hashes(growth.proof),
    )


def as_hashes(proof: Sequence[str]) -> list[Hash]:
    return [bytes.fromhex(step) for step in proof]


def read_checkpoint(path: Path) -> CheckpointFile:
    """Raises MlubenchError for a file that is absent or holds no checkpoint."""
    return read_json(path, CheckpointFile, "Give a file that `mlubench ledger checkpoint` wrote.")


def write_checkpoint(path: Path, file: CheckpointFile) -> None:
    write_json(path, file.model_dump(mode="json"))
