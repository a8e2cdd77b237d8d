"""The key file: made once, closed to others, and never another in its place."""

import threading
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.ledger.keys import make_keys, read_keys
from mlubench.ledger.ledger import Ledger
from mlubench.ledger.signing import is_signed, public_key, sign
from support.ledgers import JANE, filled, received


def test_keys_are_made_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys.json"
    made = make_keys(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [again.name for again in path.parent.iterdir()] == ["keys.json"]
    for again in (make_keys(path), read_keys(path)):
        assert again.master == made.master
        assert public_key(again.signing) == public_key(made.signing)
    assert made.derived("lookup") != made.derived("wrapping")
    assert made.master.hex() not in repr(made)


def test_many_at_once_make_one_file(tmp_path: Path) -> None:
    path, found = tmp_path / "keys.json", []
    makers = [
        threading.Thread(target=lambda: found.append(make_keys(path).master)) for _ in range(16)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(found) == 16
    assert len(set(found)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys.json"
    make_keys(path)
    path.chmod(mode)
    with pytest.raises(MlubenchError, match=rf"open to others \(mode {mode:o}\)\. Run: chmod 600"):
        read_keys(path)


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version":1,"master":"00","signing":"00"}'])
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(MlubenchError, match=r"keys\.json cannot be"):
        read_keys(path)


def test_lost_keys_are_not_made_anew(tmp_path: Path) -> None:
    """Fresh ones would open nothing of what is there, and sign for another ledger."""
    ledger = filled(tmp_path / "ledger.sqlite", requests=1)
    keys = tmp_path / "ledger.sqlite.keys.json"
    kept = keys.rename(tmp_path / "kept.json")
    reopened = Ledger.open(tmp_path / "ledger.sqlite")
    # What needs no key goes on.
    assert len(list(reopened.entries())) == 2
    reopened.append(received("R-9"))
    with pytest.raises(MlubenchError, match=r"the key file .* is missing"):
        reopened.append(received("R-9"), subject=JANE)
    assert not keys.exists()
    make_keys(keys)
    with pytest.raises(MlubenchError, match="is not that of this ledger"):
        reopened.append(received("R-9"), subject=JANE)
    elsewhere = Ledger.open(tmp_path / "ledger.sqlite", keys=kept)
    assert elsewhere.details(ledger.entry(0)) == {"asked_by": "0@example.org"}


def test_signatures(tmp_path: Path) -> None:
    key = make_keys(tmp_path / "keys.json").signing
    signature = sign(key, "checkpoint", {"size": 1})
    signer = public_key(key)
    assert is_signed(signer, "checkpoint", {"size": 1}, signature)
    assert not is_signed(signer, "bundle", {"size": 1}, signature)
    assert not is_signed(signer, "checkpoint", {"size": 2}, signature)
    other = public_key(make_keys(tmp_path / "other.json").signing)
    for wrong in (other, "", "zz", signer[:-2]):
        assert not is_signed(wrong, "checkpoint", {"size": 1}, signature)
    for wrong in ("", "zz", signature[:-2], signature[2:] + "00"):
        assert not is_signed(signer, "checkpoint", {"size": 1}, wrong)
