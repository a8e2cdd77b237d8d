"""Events and ledgers for tests, with invented people."""

from pathlib import Path
from typing import Any

from mlubench.ledger.events import Event, NamedHash, Score
from mlubench.ledger.ledger import Ledger

JANE, OMAR = "People/Jane_Doe", "People/Omar_Vidal"
BASE, DATA, EXPERT = "b" * 64, "d" * 64, "e" * 64


def received(request: str = "R-1", **more: Any) -> Event:
    return Event(kind="received", request=request, actor="desk", **more)


def audited(request: str = "R-1", **more: Any) -> Event:
    """An event with evidence in most of its fields."""
    return Event(
        kind="audited",
        request=request,
        actor="worker",
        base=BASE,
        data=(NamedHash(name="forget", sha256=DATA),),
        experts=(NamedHash(name="R-1", sha256=EXPERT),),
        configuration={"rank": 8, "learning_rate": 2e-4, "scope": "language"},
        judge="rules",
        scores=(Score(name="leak_rate", score=0.05, ci95=(0.01, 0.12), n=80, unscored=2),),
        limits=("The weights of the base still hold it.",),
        **more,
    )


def filled(path: Path, requests: int = 4) -> Ledger:
    """A new ledger in a file, filled."""
    ledger = Ledger.open(path)
    fill(ledger, requests)
    return ledger


def fill(ledger: Ledger, requests: int) -> None:
    """Two entries for each request, every second one about Jane."""
    # In one transaction, since the disk takes its time for each.
    with ledger.transaction() as writer:
        for number in range(requests):
            subject = JANE if number % 2 == 0 else OMAR
            request = f"R-{number}"
            details = {"asked_by": f"{number}@example.org"}
            writer.append(received(request), subject=subject, details=details)
            writer.append(audited(request), subject=subject)
