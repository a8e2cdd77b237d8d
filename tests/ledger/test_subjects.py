"""Whom entries are about: found by name while the key is there, and by nobody once it is destroyed."""

from pathlib import Path

import pytest
from sqlalchemy import text

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.ledger.checkpoints import CheckpointFile
from mlubench.ledger.export import signed_chain
from mlubench.ledger.keys import KEY_BYTES
from mlubench.ledger.ledger import Ledger
from mlubench.ledger.stored import verify_stored
from mlubench.ledger.subjects import SubjectKey
from mlubench.ledger.verification import Trust
from support.ledgers import JANE, OMAR, filled, received

DETAILS = {"asked_by": "jane@example.org", "aliases": ["J. Doe", "Zoë"], "pictures": 12}


def test_details_are_encrypted_and_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    entry = Ledger.open(path).append(received(), subject=JANE, details=DETAILS)
    assert Ledger.open(path).details(entry) == DETAILS
    stored = path.read_bytes()
    for secret in (b"jane", b"Jane", b"Doe"):
        assert secret not in stored


def test_one_subject_has_one_hash_in_one_ledger(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    names = (JANE, "people/jane doe", " People/Jane__Doe ", OMAR)
    hashes = [ledger.append(received(), subject=name).subject for name in names]
    assert hashes[0] == hashes[1] == hashes[2] != hashes[3]
    # One letter, or a letter and its accent.
    composed, taken_apart = "People/Zo\u00eb", "People/Zoe\u0308"
    zoe = ledger.append(received(), subject=composed)
    assert ledger.append(received(), subject=taken_apart).subject == zoe.subject
    other = Ledger.open(tmp_path / "other.sqlite")
    assert other.append(received(), subject=JANE).subject not in hashes
    with pytest.raises(UsageError, match="a subject has no name"):
        ledger.append(received(), subject=" _ ")
    with pytest.raises(UsageError, match="details without a subject"):
        ledger.append(received(), details=DETAILS)


def test_a_destroyed_key_takes_the_details_and_leaves_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = filled(path, requests=4)
    _, anchor = signed_chain(ledger)
    before = list(ledger.entries())
    with ledger.database.reading() as connection:
        wrapped = connection.execute(text("SELECT wrapped FROM ledger_subjects")).scalars().all()
    entry = ledger.destroy(JANE, actor="alice", reason="asked for")
    assert (entry.event.kind, entry.event.actor, entry.subject) == (
        "destroyed",
        "alice",
        before[0].subject,
    )
    assert ledger.details(before[0]) is None
    assert ledger.details(before[2]) == {"asked_by": "1@example.org"}
    assert list(ledger.entries(subject=JANE)) == []
    # Its bytes are in no file any more; the other subject's key is.
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert [key.encode() in files for key in wrapped].count(True) == 1
    assert list(ledger.entries()) == [*before, entry]
    report = verify_stored(ledger, Trust((CheckpointFile(checkpoint=anchor),)))
    assert report.is_whole
    with pytest.raises(UsageError, match="holds no key of this subject"):
        ledger.destroy(JANE, actor="alice")
    # Who comes again is somebody new.
    again = ledger.append(received("R-9"), subject=JANE, details=DETAILS)
    assert again.subject != entry.subject
    assert ledger.details(again) == DETAILS


def test_details_open_in_their_own_entry_alone(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    first = ledger.append(received("R-1"), subject=JANE, details=DETAILS)
    second = ledger.append(received("R-2"), subject=JANE, details=DETAILS)
    # Equal details look different.
    assert second.sealed and first.sealed != second.sealed
    for sealed in (first.sealed, "x", "eA==", second.sealed[:-4]):
        edited = second.model_copy(update={"sealed": sealed})
        with pytest.raises(MlubenchError, match="do not open with its subject's key"):
            ledger.details(edited)


def test_a_key_that_was_edited_opens_nothing(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    entry = ledger.append(received("R-1"), subject=JANE, details=DETAILS)
    for wrapped in ("x", "eA==", "A" * 80):
        with ledger.database.writing() as connection:
            connection.execute(text(f"UPDATE ledger_subjects SET wrapped = '{wrapped}'"))
        with pytest.raises(MlubenchError, match="does not open with this master key"):
            ledger.details(entry)


def test_another_key_opens_nothing() -> None:
    sealed = SubjectKey("x", bytes(KEY_BYTES)).seal(DETAILS, "here")
    assert SubjectKey("x", bytes(KEY_BYTES)).unseal(sealed, "here") == DETAILS
    for key, place in ((bytes(KEY_BYTES - 1) + b"1", "here"), (bytes(KEY_BYTES), "there")):
        with pytest.raises(MlubenchError, match="do not open"):
            SubjectKey("x", key).unseal(sealed, place)
