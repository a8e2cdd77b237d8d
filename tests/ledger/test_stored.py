"""Every edit of the database by hand is found, in the entries and in the columns beside them."""

from pathlib import Path

import pytest
from sqlalchemy import text

from mlubench.core.errors import MlubenchError
from mlubench.ledger.checkpoints import CheckpointFile
from mlubench.ledger.export import signed_chain, write_export
from mlubench.ledger.ledger import Ledger
from mlubench.ledger.stored import verify_stored
from mlubench.ledger.verification import Trust
from support.ledgers import filled

EDITS = {
    "a line": """UPDATE ledger_entries SET line = replace(line, '"desk"', '"dusk"') WHERE "index" = 2""",
    "a number": """UPDATE ledger_entries SET line = replace(line, '0.05', '0.01') WHERE "index" = 3""",
    "no JSON": """UPDATE ledger_entries SET line = 'x' WHERE "index" = 4""",
    "a request": """UPDATE ledger_entries SET request = 'R-9' WHERE "index" = 4""",
    "a kind": """UPDATE ledger_entries SET kind = 'active' WHERE "index" = 4""",
    "a subject": """UPDATE ledger_entries SET subject = NULL WHERE "index" = 4""",
    "an event's id": """UPDATE ledger_entries SET event = 'x' WHERE "index" = 4""",
    "a hash": """UPDATE ledger_entries SET hash = 'x' WHERE "index" = 4""",
    "a removed entry": """DELETE FROM ledger_entries WHERE "index" = 4""",
    "a removed first entry": """DELETE FROM ledger_entries WHERE "index" = 0""",
    "a removed last entry": """DELETE FROM ledger_entries WHERE "index" = 7""",
    "another place": """UPDATE ledger_entries SET "index" = 20 WHERE "index" = 4""",
    "an entry more": """
        INSERT INTO ledger_entries
        SELECT 8, 'x', 'y', 'z', kind, request, subject, line FROM ledger_entries WHERE "index" = 7
    """,
    "a shorter ledger": "UPDATE ledger SET size = 7",
    "another end": "UPDATE ledger SET head = 'x'",
    "another ledger": "UPDATE ledger SET id = 'x'",
}


def edit(ledger: Ledger, *statements: str) -> None:
    with ledger.database.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.mark.parametrize("statement", EDITS.values(), ids=EDITS.keys())
def test_an_edit_is_found_and_not_signed(tmp_path: Path, statement: str) -> None:
    ledger = filled(tmp_path / "ledger.sqlite", requests=4)
    assert verify_stored(ledger, Trust()).is_whole
    edit(ledger, statement)
    assert not verify_stored(ledger, Trust()).is_whole
    with pytest.raises(MlubenchError, match="is not whole, so it is not signed"):
        write_export(ledger, tmp_path / "ledger.jsonl")
    assert not (tmp_path / "ledger.jsonl").exists()


def test_a_clean_cut_is_found_by_an_anchor(tmp_path: Path) -> None:
    """Whoever may write to the database can leave a whole, shorter ledger behind."""
    ledger = filled(tmp_path / "ledger.sqlite", requests=4)
    _, checkpoint = signed_chain(ledger)
    edit(
        ledger,
        """DELETE FROM ledger_entries WHERE "index" > 5""",
        """UPDATE ledger SET size = 6, head = (SELECT hash FROM ledger_entries WHERE "index" = 5)""",
    )
    assert verify_stored(ledger, Trust()).is_whole
    trust = Trust((CheckpointFile(checkpoint=checkpoint),))
    report = verify_stored(ledger, trust)
    assert report.problems == (
        "the anchor of 8 entries covers more entries than the 6 that are here: some were cut off",
    )


def test_another_signer_is_found(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = filled(path)
    _, checkpoint = signed_chain(ledger)
    edit(ledger, f"UPDATE ledger SET signer = '{'0' * 64}'")
    edited = Ledger.open(path)
    for trust in (
        Trust(signer=checkpoint.signer),
        Trust((CheckpointFile(checkpoint=checkpoint),)),
    ):
        assert "signed by" in verify_stored(edited, trust).problems[0]
