"""`mlubench ledger`, as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlubench.ledger.bundle import write_bundle
from mlubench.ledger.export import write_export
from mlubench.ledger.ledger import Ledger
from support.ledgers import JANE, filled, received
from support.runs import call


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    filled(path, requests=4)
    return path


def test_list(place: Path) -> None:
    called = call("ledger", "list", place, "--request", "R-2")
    lines = called.out.splitlines()
    assert [line.split()[0] for line in lines] == ["4", "5"]
    assert "received" in lines[0] and "desk" in lines[0]
    about = json.loads(call("ledger", "list", place, "--subject", JANE, "--json").out)
    assert [entry["index"] for entry in about["entries"]] == [0, 1, 4, 5]
    assert call("ledger", "list", place, "--kind", "active").out == "no entries\n"


def test_show(place: Path) -> None:
    shown = json.loads(call("ledger", "show", place, 2, "--json").out)
    assert shown["details"] == {"asked_by": "1@example.org"}
    by_name = json.loads(call("ledger", "show", place, shown["event"]["id"]).out)
    assert by_name == shown
    called = call("ledger", "show", place, 99)
    assert called.code == 2
    assert "there is no entry 99" in called.error


def test_export_and_verify(place: Path, tmp_path: Path) -> None:
    export, anchor = tmp_path / "ledger.jsonl", tmp_path / "monday.json"
    assert "8 entries, signed by" in call("ledger", "export", place, export).out
    checkpoint = call("ledger", "checkpoint", place, "--out", anchor)
    assert "8 entries, root" in checkpoint.out
    # Offline: neither the ledger nor its keys are there.
    place.rename(tmp_path / "elsewhere")
    Path(f"{place}.keys.json").unlink()
    alone = call("ledger", "verify", export)
    assert alone.code == 0
    assert "is whole (export, 8 entries)" in alone.out
    assert "give an anchor" in alone.out
    signer = checkpoint.out.split()[-1]
    anchored = call("ledger", "verify", export, "--anchor", anchor, "--signer", signer)
    assert anchored.code == 0
    assert "nothing that the anchor of 8 entries covers was changed" in anchored.out
    assert "Not shown" not in anchored.out
    assert "is whole (checkpoint)" in call("ledger", "verify", anchor).out
    export.write_bytes(export.read_bytes().replace(b'"desk"', b'"dusk"', 1))
    changed = call("ledger", "verify", export, "--json")
    assert changed.code == 1
    assert json.loads(changed.out)["problems"][0].startswith("entry 0 was changed")
    assert "is NOT whole" in call("ledger", "verify", export).out


def test_a_checkpoint_since_another(place: Path, tmp_path: Path) -> None:
    monday, tuesday = tmp_path / "monday.json", tmp_path / "tuesday.json"
    call("ledger", "checkpoint", place, "--out", monday)
    Ledger.open(place).append(received("R-9"))
    assert call("ledger", "checkpoint", place, "--out", tuesday, "--since", monday).code == 0
    # An anchor is never written over.
    kept = monday.read_bytes()
    again = call("ledger", "checkpoint", place, "--out", monday)
    assert again.code == 2
    assert "--out another name" in again.error
    assert monday.read_bytes() == kept
    assert call("ledger", "verify", tuesday, "--anchor", monday).code == 0
    assert call("ledger", "verify", place, "--anchor", tuesday, "--anchor", monday).code == 0


def test_verify_a_bundle(place: Path, tmp_path: Path) -> None:
    write_bundle(Ledger.open(place), tmp_path / "evidence.zip", "R-1", files={"page.html": b"x"})
    called = call("ledger", "verify", tmp_path / "evidence.zip")
    assert called.code == 0
    assert "these entries about request R-1 are in a ledger of 8" in called.out
    assert "that there are no more entries" in called.out


def test_destroy(place: Path) -> None:
    words = ("ledger", "destroy", place, JANE, "--actor", "alice")
    # Nobody is there to confirm it.
    assert "--yes" in call(*words).error
    assert Ledger.open(place).head().size == 8
    assert "the key is destroyed (entry 8)" in call(*words, "--yes").out
    assert "can be read no more" in call("ledger", "show", place, 0).out
    assert call("ledger", "verify", place).code == 0
    assert "holds no key of this subject" in call(*words, "--yes").error


@pytest.mark.parametrize("actor", ["", " ", "x" * 201, "a\nb", "a\u202eb", "\x1b[2J"])
def test_who_destroys_has_a_name(place: Path, actor: str) -> None:
    called = call("ledger", "destroy", place, JANE, "--actor", actor, "--yes")
    assert called.code == 2
    assert "is no name of who does this" in called.error
    assert Ledger.open(place).head().size == 8


def test_an_entry_is_one_line_whatever_was_given_as_reason(place: Path) -> None:
    reason = "her wish\n     9 2026-01-01 00:00:00 active\x1b[2J"
    call("ledger", "destroy", place, JANE, "--actor", "alice", "--reason", reason, "--yes")
    *_, last = call("ledger", "list", place).out.splitlines()
    assert last.startswith("     8 ") and last.endswith("active\\x1b[2J")


# As where the extra is not installed, or no database package at all.
WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from mlubench.cli.main import main
main(["ledger", *sys.argv[2:]])
"""


def without(package: str, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, package, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_without_the_packages(place: Path, tmp_path: Path) -> None:
    missing = without("sqlalchemy", "list", place)
    assert missing.returncode == 1
    assert missing.stderr == (
        "mlubench: error: the sqlalchemy package is missing. Run: pip install 'mlubench[requests]'.\n"
    )
    # Whoever verifies an export needs no database.
    write_export(Ledger.open(place), tmp_path / "ledger.jsonl")
    assert without("sqlalchemy", "verify", tmp_path / "ledger.jsonl").returncode == 0
    assert "rfc8785 package is missing" in without("rfc8785", "verify", place).stderr


def test_wrong_uses_are_one_line(place: Path, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert "does not exist" in call("ledger", "list", absent).error
    assert not absent.exists()
    assert "there is no file" in call("ledger", "verify", absent).error
    assert "is a folder" in call("ledger", "list", tmp_path).error
    no_anchor = call("ledger", "verify", place, "--anchor", absent).error
    assert "absent does not exist. Give a file that `mlubench ledger checkpoint` wrote" in no_anchor
    (tmp_path / "text").write_text("no database " * 100)
    assert "file is not a database" in call("ledger", "list", tmp_path / "text").error
    Path(f"{place}.keys.json").chmod(0o644)
    assert "chmod 600" in call("ledger", "export", place, tmp_path / "out").error
    assert not (tmp_path / "out").exists()
