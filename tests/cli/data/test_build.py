"""`mlubench data build`: what it prints, mended files, and its exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mlubench.cli.data.group import data
from mlubench.core.errors import MlubenchError, UsageError
from support.paths import EXAMPLES

EXAMPLE = EXAMPLES / "build.yaml"
FIRST = ["entities", "pictures", "questions", "answers"]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text("name: test\nentities: {world: 18}\npictures: {per_entity: 1}\n")
    return path


def call(*words: object) -> str:
    result = CliRunner().invoke(data, ["build", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def stages(*words: object) -> dict[str, dict[str, Any]]:
    return {row["stage"]: row for row in json.loads(call(*words, "--json"))["stages"]}


def test_build_mend_and_build_again(spec: Path, tmp_path: Path) -> None:
    out = tmp_path / "b"
    made = stages(spec, "--out", out, "--until", "answers")
    assert list(made) == FIRST
    assert {row["status"] for row in made.values()} == {"made"}
    assert (made["entities"]["rows"], made["pictures"]["kept"], made["answers"]["rows"]) == (
        18,
        18,
        90,
    )
    answers = out / "answers.jsonl"
    answers.write_text("".join(answers.open().readlines()[:-1]))
    again = stages(spec, "--out", out, "--until", "answers")
    assert [again[name]["status"] for name in FIRST] == ["unchanged"] * 3 + ["mended by hand, kept"]
    with pytest.raises(MlubenchError, match=r"answers\.jsonl was mended by hand"):
        spec.write_text(spec.read_text().replace("per_entity: 1", "per_entity: 2"))
        call(spec, "--out", out, "--until", "answers")
    assert (
        stages(spec, "--out", out, "--until", "answers", "--redo", "answers")["answers"]["rows"]
        == 90
    )


def test_a_dry_run_says_what_would_be_done_and_does_nothing(tmp_path: Path) -> None:
    plan = stages(EXAMPLE, "--out", tmp_path / "b", "--dry-run")
    assert [plan[name]["status"] for name in FIRST] == ["todo"] * 4
    assert plan["entities"]["plan"] == "draw 72 entities of an invented world"
    assert "draw up to 10 pictures" in call(EXAMPLE, "--out", tmp_path / "b", "--dry-run").replace(
        "\n", " "
    )
    assert not (tmp_path / "b").exists()


def test_wrong_use(spec: Path, tmp_path: Path) -> None:
    for words in (
        [tmp_path / "none.yaml", "--out", tmp_path / "b"],
        [spec, "--out", tmp_path / "b", "--until", "anwsers"],
        [spec, "--out", tmp_path / "b", "--redo", "everything"],
    ):
        with pytest.raises(UsageError):
            call(*words)
