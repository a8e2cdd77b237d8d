"""`mlubench model`: lines for people, JSON for programs, and the exit code."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlubench.cli.main import main
from mlubench.data.background import FEWEST, TEACH_OF_FEW
from mlubench.data.render import render
from mlubench.experiment.model_check.check import STEPS
from mlubench.models.encoders import folder_encoder
from support.tiny_parts import save_clip


def call(*words: str, command: str = "check") -> int:
    with pytest.raises(SystemExit) as exit_:
        main(["model", command, *words])
    code = exit_.value.code
    assert isinstance(code, int)
    return code


def test_each_step_is_a_line(
    family_folder: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = family_folder("gemma3")
    assert call(str(folder), "--device", "cpu") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(STEPS) + 1
    assert lines[0].startswith("works    load                     Gemma3ForConditionalGeneration, ")
    (packed,) = [line for line in lines if " packed answers " in line]
    assert packed.startswith("missing ") and packed.endswith("seen from both sides")
    assert lines[-1] == f"{folder} can take a run; 2 thing(s) are missing that some runs use"


def test_json_names_what_was_found(
    family_folder: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(str(family_folder("llava")), "--device", "cpu", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["passed"], found["family"]) == (True, "llava")
    assert [row["step"] for row in found["findings"]] == ["load", *(step.name for step in STEPS)]
    assert {row["outcome"] for row in found["findings"]} == {"works"}


def test_a_folder_without_a_model_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(str(tmp_path), "--device", "cpu") == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("fails    load ") and "cannot be loaded" in first
    assert last.endswith("cannot take a run: 1 step(s) that every run needs fail")
    assert call(str(tmp_path), "--device", "cpu", "--json") == 1
    assert json.loads(capsys.readouterr().out)["passed"] is False


def test_a_tuned_model_is_a_folder_for_the_gate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = save_clip(tmp_path / "clip")
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(FEWEST):
        render(f"Things/Shown_{number}", "photo.jpg").save(photos / f"{number}.png")
    words = [str(clip), str(tmp_path / "tuned"), "--background", str(photos), "--pictures", "32"]
    assert call(*words, "--json", command="tune") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["things"], facts["pictures"]) == (FEWEST * TEACH_OF_FEW // 10, 32)
    assert folder_encoder(tmp_path / "tuned").id != folder_encoder(clip).id
    assert call(*words, command="tune") == 2
    assert "is not empty" in capsys.readouterr().err
