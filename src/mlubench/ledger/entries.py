"""An entry: an event in its place in the chain. Its hash covers all of it, the hash of the entry before it included."""

from collections.abc import Mapping

from pydantic import AwareDatetime, Field

from mlubench.ledger.canonical import canonical_json, sha256
from mlubench.ledger.events import Event, Sha256
from mlubench.settings.strict import Strict


class Entry(Strict):
    """One line of an export, and one row of the database."""

    index: int = Field(ge=0)
    """Its place, counted from 0."""
    previous: Sha256
    """The hash of the entry before it; of the first, `genesis_hash` of the ledger."""
    recorded: AwareDatetime
    """When it was written into the ledger, by the clock of who wrote it."""
    event: Event
    subject: Sha256 | None = None
    """Whom it is about, as a keyed hash that only the subject's own key can make."""
    sealed: str | None = None
    """Details, encrypted with the subject's key; base64."""
    hash: Sha256
    """SHA-256 of the canonical JSON of everything above."""


def genesis_hash(ledger: str) -> str:
    """What the first entry names as the hash before it. It ties the chain to the ledger's id."""
    return sha256(canonical_json({"ledger": ledger}))


def entry_hash(content: Mapping[str, object]) -> str:
    """The hash of an entry's content: all of its keys but `hash`."""
    return sha256(canonical_json(dict(content)))


def entry_line(content: Mapping[str, object]) -> str:
    """The entry as it is stored and exported: canonical JSON with its hash, on one line."""
    return canonical_json({**content, "hash": entry_hash(content)}).decode()
