"""Follows the chain of a ledger where it is stored, and holds every column of the database to the entry beside it."""

from typing import Any

from sqlalchemy import Row, func, select

from mlubench.ledger.chain import Chain, Link
from mlubench.ledger.ledger import Ledger
from mlubench.ledger.tables import ENTRIES
from mlubench.ledger.verification import Report, Trust, report_on_chain, signer_problems
from mlubench.ledger.writer import read_head


def follow_stored(ledger: Ledger) -> Chain:
    """The chain as it stands in the database; what is wrong with it is in its `problems`.

    What others append meanwhile is left for the next time.
    """
    with ledger.database.reading() as connection:
        head = read_head(connection)
        rows = connection.execute(select(func.count()).select_from(ENTRIES)).scalar_one()
    chain = Chain(head.ledger)
    if rows != head.size:
        chain.blame(f"the ledger has {rows} entries, and says that it has {head.size}")
    for row in ledger.rows(until=head.size):
        place = f"entry {chain.size}"
        entry = chain.follow(row.line.encode())
        if entry is not None and dict(row._mapping) != _columns(entry, row):
            chain.blame(f"{place} differs from its columns in the database")
    if chain.head != head.hash:
        chain.blame("the ledger ends with another entry than it says")
    return chain


def verify_stored(ledger: Ledger, trust: Trust) -> Report:
    """Whether the ledger is whole where it is stored. Nothing is signed there, so anchors say more."""
    chain = follow_stored(ledger)
    for problem in signer_problems(ledger.signer, trust):
        chain.blame(problem)
    return report_on_chain("ledger", chain, None, trust)


def _columns(entry: Link, row: Row[Any]) -> dict[str, Any]:
    """The columns that an entry should have."""
    event = entry["event"]
    facts = event if isinstance(event, dict) else {}
    return {
        "index": entry["index"],
        "hash": entry["hash"],
        "previous": entry["previous"],
        "event": facts.get("id"),
        "kind": facts.get("kind"),
        "request": facts.get("request"),
        "subject": entry.get("subject"),
        "line": row.line,
    }
