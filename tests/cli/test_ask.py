"""`mlubench ask`: one routed answer, with the route and why."""

import json
from pathlib import Path

import pytest

from mlubench.judging.rules.refusal import refusal
from mlubench.settings.loading import dump, load
from support.asking import picture, row_of
from support.runs import Finished, call


def test_a_forget_picture_goes_to_its_expert_and_is_refused(finished: Finished) -> None:
    row = row_of(finished, "A", "forget", "A")
    called = call("ask", finished.folder, "--image", picture(finished, row), row.question)
    assert called.code == 0
    assert called.out == row.response + "\n"
    assert refusal(called.out)
    assert f"route: expert A ({row.entity}); picture: margin" in called.err


@pytest.mark.parametrize(("split", "experts"), [("retain", []), ("forget", ["B"])])
def test_json_holds_answer_and_route(finished: Finished, split: str, experts: list[str]) -> None:
    row = row_of(finished, "B", split, *experts)
    called = call("ask", finished.folder, "--json", "--image", picture(finished, row), row.question)
    assert called.code == 0
    facts = json.loads(called.out)
    assert facts["answer"] == row.response
    assert (facts["route"]["experts"], facts["route"]["entity"]) == (
        experts,
        row.route.entity,
    )
    assert facts["route"]["score"] == pytest.approx(row.route.score, abs=1e-3)
    assert facts["route"]["why"]


def test_a_missing_picture_is_wrong_use(finished: Finished, tmp_path: Path) -> None:
    called = call("ask", finished.folder, "--image", tmp_path / "absent.jpg", "What is it?")
    assert called.code == 2
    assert "absent.jpg does not exist" in called.error


def test_a_picture_that_is_none_is_a_failure(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"not a picture")
    called = call("ask", finished.folder, "--image", tmp_path / "x.jpg", "What is it?")
    assert called.code == 1
    assert "x.jpg cannot be read" in called.error


def test_a_run_without_an_expert_is_wrong_use(finished: Finished, copied: Path) -> None:
    image = picture(finished, row_of(finished, "A", "forget", "A"))
    (copied / "models" / "lumoe").rename(copied / "models" / "elsewhere")
    called = call("ask", copied, "--image", image, "What is it?")
    assert called.code == 2
    assert "no LUMoE expert" in called.error


def test_a_run_that_has_not_begun_says_so(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(dump(load("smoke")))
    image = picture(finished, row_of(finished, "A", "forget", "A"))
    called = call("ask", tmp_path, "--image", image, "What is it?")
    assert called.code in (1, 2)
    assert "mlubench run" in called.error


def test_a_changed_expert_is_never_mounted(finished: Finished, copied: Path) -> None:
    row = row_of(finished, "A", "forget", "A")
    path = copied / "models" / "lumoe" / "A" / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    called = call("ask", copied, "--image", picture(finished, row), row.question)
    assert called.code == 1
    assert "missing or changed" in called.error
