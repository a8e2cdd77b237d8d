"""`mlubench serve` and `mlubench keys`, as a user calls them."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.asking import picture, row_of
from support.runs import Finished, call
from support.serving import CHAT, ask, shown


def test_a_served_run_answers_and_stops_when_told(finished: Finished, tmp_path: Path) -> None:
    made = call("keys", "add", tmp_path / "keys.json", "alice")
    assert made.code == 0
    key = made.out.strip()
    words = ["serve", str(finished.folder), "--port", "0", "--json", "--name", "mine"]
    words += ["--keys", str(tmp_path / "keys.json")]
    with subprocess.Popen(
        [sys.executable, "-m", "mlubench", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        line = process.stdout.readline()
        said = json.loads(line) if line else pytest.fail(process.stderr.read())
        assert (said["model"], said["keys"]) == ("mine", True)
        address = said["url"].removesuffix("/v1")
        row = row_of(finished, "B", "retain")
        body = {"model": "mine", "messages": [shown(picture(finished, row), row.question)]}
        answered = ask(address, CHAT, body, authorization=f"Bearer {key}")
        assert answered.json["choices"][0]["message"]["content"] == row.response
        assert ask(address, CHAT, body).status == 401
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
        assert "Traceback" not in process.stderr.read()


def test_without_keys_it_listens_to_this_machine_alone(finished: Finished) -> None:
    called = call("serve", finished.folder, "--host", "0.0.0.0")
    assert called.code == 2
    assert "without keys nobody but this machine may ask" in called.error


def test_a_file_without_keys_is_wrong_use(finished: Finished, tmp_path: Path) -> None:
    called = call("serve", finished.folder, "--keys", tmp_path / "keys.json")
    assert called.code == 2
    assert "there is no key in" in called.error
    assert "mlubench keys add" in called.error


def test_requests_are_not_served_where_nobody_may_decide(
    finished: Finished, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    assert call("keys", "add", keys, "alice").code == 0
    for words in ((), ("--keys", keys)):
        called = call("serve", finished.folder, "--requests", *words)
        assert called.code == 2
        assert "--requests needs an admin's key" in called.error


def test_keys_are_listed_without_what_opens(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key = json.loads(call("keys", "add", file, "ops", "--scope", "admin", "--json").out)["key"]
    call("keys", "add", file, "alice", "--per-minute", 5)
    listed = json.loads(call("keys", "list", file, "--json").out)["keys"]
    assert [(row["name"], row["scope"], row["per_minute"]) for row in listed] == [
        ("ops", "admin", None),
        ("alice", "user", 5),
    ]
    text = call("keys", "list", file).out
    assert "5 a minute" in text and key not in text
    assert call("keys", "remove", file, "ops").code == 0
    assert call("keys", "remove", file, "ops").code == 2
    assert "alice" in call("keys", "list", file).out
