"""The data commands: what they print, their exit codes, and that they harm no photograph."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlubench.cli.data.group import data
from mlubench.core.errors import DataError, UsageError
from mlubench.data import release


@pytest.fixture
def root(tmp_path: Path) -> Path:
    def rows(name: str) -> list[dict[str, str]]:
        images = [f"downloaded_images/Animals/{name}/{p}.jpg" for p in range(3)]
        return [{"image": image, "question": "What is it?", "answer": name} for image in images]

    release.write({"A": {"forget": rows("Dog"), "retain": rows("Pokémon")}}, tmp_path / "data")
    return tmp_path / "data"


def call(*words: object) -> Result:
    return CliRunner().invoke(data, [str(w) for w in words], catch_exceptions=False)


def test_stats(root: Path) -> None:
    result = call("stats", root)
    assert result.exit_code == 0
    assert "forget" in result.output
    total = json.loads(call("stats", root, "--json").output)["total"]
    assert (total["records"], total["facts"], total["splits"]) == (6, 2, 2)


@pytest.mark.parametrize("width", [80, 100, 120])
def test_stats_cut_no_heading(root: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    printed = call("stats", root).output
    assert "…" not in printed
    assert max(map(len, printed.splitlines())) <= width
    for word in ("records", "entities", "classes", "image", "paths", "phrasings:", "facts"):
        assert f" {word} " in printed


def test_check_render_check(root: Path, tmp_path: Path) -> None:
    before = call("check", root)
    assert before.exit_code == 1
    assert "no-pictures" in before.output
    out = tmp_path / "drawn"
    drawn = call("render", root, out, "--size", 32)
    assert (drawn.exit_code, "6 stand-ins" in drawn.output) == (0, True)
    assert release.read(root, out).stand_ins
    after = call("check", root, "--images", out)
    assert (after.exit_code, "nothing is wrong" in after.output) == (0, True)
    again = json.loads(call("render", root, out, "--json").output)
    assert again == {"count": 6, "out": str(out), "size": 96, "stand_ins": True}
    assert json.loads(call("check", root, "--images", out, "--json").output) == {
        "ok": True, "errors": 0, "warnings": 0, "findings": [],
    }  # fmt: skip


def test_check_shows_counts_and_the_first_few(root: Path) -> None:
    path = root / "Tasks/TaskA/taskA_forget.json"
    path.write_text(json.dumps([1, [], "[red]", None, *json.loads(path.read_text())]))
    result = call("check", root)
    assert result.exit_code == 1
    assert "and 1 more" in result.output
    facts = json.loads(call("check", root, "--json").output)
    assert (facts["ok"], facts["errors"]) == (False, 5)
    message = "is of type int, not an object"
    first = {
        "kind": "shape",
        "severity": "error",
        "file": str(path),
        "record": 0,
        "message": message,
    }
    assert facts["findings"][0] == first


def test_warnings_alone_are_no_failure(root: Path, tmp_path: Path) -> None:
    call("render", root, tmp_path / "drawn")
    path = root / "Tasks/TaskA/taskA_forget.json"
    records = json.loads(path.read_text())
    path.write_text(json.dumps([*records, records[0]]))
    result = call("check", root, "--images", tmp_path / "drawn")
    assert result.exit_code == 0
    assert "duplicate" in result.output


@pytest.mark.parametrize("words", [["stats"], ["check"], ["check", "--json"]])
def test_a_root_that_is_none_is_wrong_use(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        call(*words, tmp_path / "none")


def test_render_refuses_to_leave_its_folder(root: Path, tmp_path: Path) -> None:
    path = root / "Tasks/TaskA/taskA_forget.json"
    path.write_text(
        path.read_text().replace("downloaded_images/Animals/Dog/0.jpg", "../Animals/Dog/0.jpg")
    )
    with pytest.raises(DataError, match="leaves its folder"):
        call("render", root, tmp_path / "out" / "drawn")
    assert not (tmp_path / "out").exists()


def test_render_overwrites_no_photograph(root: Path, tmp_path: Path) -> None:
    photograph = tmp_path / "photos/downloaded_images/Animals/Dog/1.jpg"
    photograph.parent.mkdir(parents=True)
    photograph.write_bytes(b"precious")
    with pytest.raises(UsageError, match="may be a photograph"):
        call("render", root, tmp_path / "photos")
    assert photograph.read_bytes() == b"precious"


@pytest.mark.parametrize("words", [[], ["stats"], ["check"], ["render"]])
def test_help_has_examples_and_imports_nothing_heavy(words: list[str]) -> None:
    result = call(*words, "--help")
    assert result.exit_code == 0
    assert re.search(r"Examples:\n +mlubench data", result.output)
    heavy = "import sys, mlubench.cli.data.group; sys.exit(bool({'numpy', 'PIL', 'rich', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", heavy], check=False).returncode == 0
