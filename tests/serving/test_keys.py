"""Keys: made once, kept as hashes, and compared one like the other."""

import hmac
import json
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.serving import keys as module
from mlubench.serving.keys import Caller, Keys, add_key, keys_in, read_keys, remove_key


def test_a_file_holds_hashes_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "keys.json"
    user = add_key(file, "alice", "user", per_minute=30)
    admin = add_key(file, "ops", "admin")
    assert user not in file.read_text() and admin not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    keys = Keys.open(file, None)
    assert keys is not None
    assert keys.caller(user) == Caller("alice", "user", 30)
    assert keys.caller(admin) == Caller("ops", "admin")
    for wrong in ("", "alice", user[:-1], user + "x", user.upper(), "ü\ud800"):
        assert keys.caller(wrong) is None
    assert len({user, admin}) == 2 and len(user) > 40


def test_every_key_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also once it is found: how long it takes must not say which it was."""
    compared = []

    def counting(first: str, second: str) -> bool:
        compared.append(first)
        return compare(first, second)

    compare = hmac.compare_digest
    file = tmp_path / "keys.json"
    made = [add_key(file, name, "user") for name in ("first", "second", "third")]
    keys = Keys.open(file, None)
    monkeypatch.setattr(module.hmac, "compare_digest", counting)
    for key in (*made, "nobody's"):
        compared.clear()
        keys.caller(key)
        assert len(compared) == 3


def test_a_name_is_taken_once_and_can_be_removed(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    add_key(file, "alice", "user")
    with pytest.raises(UsageError, match="there is a key 'alice' already"):
        add_key(file, "alice", "admin")
    with pytest.raises(UsageError, match="is no name of a key"):
        add_key(file, "a b", "user")
    with pytest.raises(UsageError, match=r"no key 'bob'\. There are: alice"):
        remove_key(file, "bob")
    remove_key(file, "alice")
    assert read_keys(file).keys == ()


def test_keys_of_the_environment() -> None:
    keys = Keys.open(None, "user:one,admin:two, three")
    assert keys is not None
    scopes = [keys.caller(key).scope for key in ("one", "two", "three")]
    assert scopes == ["user", "admin", "user"]
    assert keys.caller("user:one") is None
    for wrong in ("root:x", "user:"):
        with pytest.raises(UsageError, match="key 1 of MLUBENCH_KEYS has no scope"):
            keys_in(wrong)


def test_a_server_that_is_told_of_keys_has_some(tmp_path: Path) -> None:
    assert Keys.open(None, None) is None
    assert Keys.open(None, "") is None
    with pytest.raises(UsageError, match="there is no key in"):
        Keys.open(tmp_path / "absent.json", None)
    with pytest.raises(UsageError, match="there is no key in"):
        Keys.open(None, ",")


@pytest.mark.parametrize("row", [{"name": "a", "scope": "root"}, {"key": "plain"}])
def test_a_file_of_another_shape_is_an_error(tmp_path: Path, row: dict[str, str]) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"schema_version": 1, "keys": [row]}))
    with pytest.raises(MlubenchError, match=r"keys\.json"):
        Keys.open(file, None)
