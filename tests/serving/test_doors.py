"""Every route x no key, a wrong key, a user's key, an admin's key, an odd host: nobody gets further than he may."""

import pytest

from mlubench.core.errors import UsageError
from mlubench.serving.keys import ANYBODY
from mlubench.serving.server import Address, require_safe
from support.asking import picture, row_of
from support.runs import Finished
from support.serving import CHAT, MODEL, ask, said, shown

BODY = {"model": MODEL, "messages": [said("user", "Who?")], "max_tokens": 1}
ROUTES = {
    "/v1/models": None,
    f"/v1/models/{MODEL}": None,
    CHAT: BODY,
    "/metrics": None,
    "/health": None,
    "/ready": None,
    "/nowhere": None,
    "/v1/chat/completions/": BODY,
    "//v1/models": None,
    "/v1/../metrics": None,
    "/METRICS": None,
}
OPEN = {"/health", "/ready"}
NOWHERE = {"/nowhere", "//v1/models", "/v1/../metrics", "/METRICS"}


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("held", ["none", "wrong", "empty", "basic", "user", "admin"])
def test_each_route_is_open_to_whom_it_must_be(
    guarded: str, key_file: dict[str, str], path: str, held: str
) -> None:
    stated = {
        "none": {},
        "wrong": {"authorization": f"Bearer {key_file['user'][:-1]}x"},
        "empty": {"authorization": "Bearer "},
        "basic": {"authorization": f"Basic {key_file['user']}"},
        "user": {"authorization": f"Bearer {key_file['user']}"},
        "admin": {"authorization": f"bearer {key_file['admin']}"},
    }[held]
    answered = ask(guarded, path, ROUTES[path], **stated)
    if path in OPEN:
        assert answered.status == 200
    elif held not in ("user", "admin"):
        assert (answered.status, answered.error["code"]) == (401, "invalid_api_key")
    elif path in NOWHERE:
        assert answered.status == 404
    elif path == "/metrics" and held == "user":
        assert (answered.status, answered.error["code"]) == (403, "not_allowed")
    elif path == "/v1/chat/completions/":
        assert answered.status in (307, 404)
    else:
        assert answered.status == 200


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "", "[::1", "a:b:c"],
)
def test_an_odd_host_gets_nothing(
    server: str, guarded: str, key_file: dict[str, str], path: str, host: str
) -> None:
    key = f"Bearer {key_file['admin']}"
    for address in (server, guarded):
        answered = ask(address, path, ROUTES[path], host=host, authorization=key)
        assert answered.status == 400, answered
        assert "does not go by that name" in answered.error["message"]


def test_its_own_names_are_taken_with_any_port(server: str, guarded: str) -> None:
    for host in ("127.0.0.1", "127.0.0.1:99", "LocalHost:1", "[::1]:8000"):
        assert ask(server, "/health", host=host).status == 200
    assert ask(guarded, "/health", host="models.example:443").status == 200


def test_a_key_that_is_removed_is_taken_no_more(guarded: str, key_file: dict[str, str]) -> None:
    from pathlib import Path

    from mlubench.serving.keys import add_key, remove_key

    file = Path(key_file["file"])
    key = add_key(file, "brief", "user")
    assert ask(guarded, "/v1/models", authorization=f"Bearer {key}").status == 200
    remove_key(file, "brief")
    assert ask(guarded, "/v1/models", authorization=f"Bearer {key}").status == 401
    whole = file.read_bytes()
    file.write_bytes(b"{")
    key = f"Bearer {key_file['user']}"
    assert ask(guarded, "/v1/models", authorization=key).status == 401
    file.write_bytes(whole)
    assert ask(guarded, "/v1/models", authorization=key).status == 200


def test_a_key_may_ask_so_often(guarded: str, key_file: dict[str, str]) -> None:
    key = f"Bearer {key_file['slow']}"
    statuses = [ask(guarded, CHAT, BODY, authorization=key).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    last = ask(guarded, CHAT, BODY, authorization=key)
    assert last.error["code"] == "rate_limit_exceeded"
    assert 1 <= int(last.headers["retry-after"]) <= 31


def test_the_route_is_told_to_admins_alone(
    server: str, guarded: str, key_file: dict[str, str], finished: Finished
) -> None:
    row = row_of(finished, "A", "forget", "A")
    body = {"model": MODEL, "messages": [shown(picture(finished, row), row.question)]}
    asking = {"X_Mlubench_Route": "yes"}
    admin = {"authorization": f"Bearer {key_file['admin']}"}
    told = ask(guarded, CHAT, body, **admin, **asking).json["mlubench"]
    assert (told["route"]["experts"], told["route"]["entity"]) == (["A"], row.entity)
    # Unasked, nobody is told.
    assert "mlubench" not in ask(guarded, CHAT, body, **admin).json
    user = {"authorization": f"Bearer {key_file['user']}"}
    for address, who in ((guarded, user), (server, {})):
        answered = ask(address, CHAT, body, **who, **asking)
        assert (answered.status, answered.error["code"]) == (403, "not_allowed")
        answered = ask(address, CHAT, body, **who)
        assert set(answered.json) == {"id", "object", "created", "model", "choices", "usage"}
        assert row.entity.partition("/")[2].encode() not in answered.body


def test_without_keys_it_is_for_this_machine_alone() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        require_safe(Address(host), None)
    for host in ("0.0.0.0", "::", "192.168.1.7", "models.example"):
        with pytest.raises(UsageError, match="without keys nobody but this machine may ask"):
            require_safe(Address(host), None)


def test_which_names_are_checked() -> None:
    assert "localhost" in Address("127.0.0.1").hosts
    assert Address("0.0.0.0").hosts == ()
    assert "models.example" in Address("0.0.0.0", names=("models.example",)).hosts
    assert ANYBODY.scope == "user"
