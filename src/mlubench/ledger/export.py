"""An export: all entries as JSON lines, between a first line that names the ledger and a signed checkpoint at the end."""

from pathlib import Path

from mlubench.core.errors import MlubenchError
from mlubench.core.files import replacing
from mlubench.ledger.canonical import canonical_json
from mlubench.ledger.chain import Chain
from mlubench.ledger.checkpoints import Checkpoint, sign_checkpoint
from mlubench.ledger.export_lines import FirstLine, LastLine
from mlubench.ledger.ledger import Ledger
from mlubench.ledger.stored import follow_stored
from mlubench.settings.strict import Strict


def signed_chain(ledger: Ledger) -> tuple[Chain, Checkpoint]:
    """The chain as it stands and a checkpoint of it. Raises MlubenchError for one that is not whole: it is not signed."""
    keys = ledger.keys
    chain = follow_stored(ledger)
    if chain.problems:
        raise MlubenchError(
            f"the ledger is not whole, so it is not signed: {chain.problems[0]}",
            "See all: mlubench ledger verify.",
        )
    return chain, sign_checkpoint(chain, keys)


def write_export(ledger: Ledger, path: Path) -> Checkpoint:
    """Write all entries, and a checkpoint of them, into a file that appears whole."""
    _, checkpoint = signed_chain(ledger)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(_line(FirstLine(ledger=checkpoint.ledger)))
        for row in ledger.rows(until=checkpoint.size):
            file.write(row.line.encode() + b"\n")
        file.write(_line(LastLine(checkpoint=checkpoint)))
    return checkpoint


def _line(of: Strict) -> bytes:
    return canonical_json(of.model_dump(mode="json")) + b"\n"
