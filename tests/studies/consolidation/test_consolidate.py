"""A run's experts merged into fewer: measured through the gate, adopted only if good enough, and resumed where cut off."""

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from mlubench.core.errors import UsageError
from mlubench.core.reading import read_json
from mlubench.lumoe.experts.merge_plan import Plan
from mlubench.lumoe.experts.merging import active_experts, roll_back
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.runs.rows import read_answers
from mlubench.studies.consolidation import adapters, consolidate, measuring
from mlubench.studies.consolidation.consolidate import STAGE, consolidate_run
from mlubench.types import AnswerRow, Judge
from support.runs import Finished

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def run(finished: Finished, tmp_path: Path) -> Path:
    return shutil.copytree(finished.folder, tmp_path / "run")


def store_of(run: Path) -> ExpertStore:
    return ExpertStore(run / "models" / "lumoe")


def ask(run: Path, **plan: object) -> dict:
    return consolidate_run(run, Plan(**plan), Console(file=io.StringIO()))  # type: ignore[arg-type]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and "lock" not in p.name
    }


def test_merged_experts_are_measured_and_adopted(run: Path, finished: Finished) -> None:
    report = ask(run, max_drop=1.0, scale="sum", rank=32)
    assert (report["adopted"], report["measured"], report["why"]) == (True, True, [])
    born = {
        (c["task"], c["metric"]): c["score"]
        for c in finished.results["cells"]
        if c["method"] == "lumoe" and c["after"] == "B"
    }
    for cell in report["cells"]:
        as_served = born.pop((cell["task"], cell["metric"]))
        alone = cell["before"]["score"]
        # Of what must go, the second look refuses what an expert tells.
        assert alone == as_served if cell["metric"] == "utility" else alone <= as_served
    assert not born
    (group,) = report["groups"]
    assert group["carries"] == ["A", "B"] and group["relative_error"] < 1e-6
    assert group["bytes"] == (store_of(run).root / "merged+1" / WEIGHTS).stat().st_size
    assert active_experts(store_of(run), ["A", "B"]).expert_for == {
        "A": "merged+1",
        "B": "merged+1",
    }
    told = store_of(run).manifest("merged+1")
    assert told["measured"] is True and told["scores"] == report["cells"]
    assert not (store_of(run).root / STAGE).exists()


def test_too_great_a_loss_changes_nothing(run: Path) -> None:
    before = files(run)
    report = ask(run, scale="mean", rank=1)
    assert report["adopted"] is False
    assert any("by more than 0.02" in why for why in report["why"])
    assert [c["task"] for c in report["cells"] if c["why"]] and store_of(run).history() == []
    assert files(run) == before


def test_the_second_look_does_not_hide_a_merged_expert_that_tells(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mean of rank 1 is too weak to refuse. Served, the second look would hold back what it tells."""
    measured: dict[str, AnswerRow] = {}
    judge_cell = measuring.judge_cell

    def noted(answers: Path, verdicts: Path, judge: Judge) -> None:
        if answers.parent.name == "after":
            measured.update({row.id: row for row in read_answers(answers)})
        judge_cell(answers, verdicts, judge)

    monkeypatch.setattr(measuring, "judge_cell", noted)
    assert ask(run, max_drop=1.0, scale="mean", rank=1)["adopted"]
    told = []
    for row in measured.values():
        if row.split == "forget" and row.truth.lower() in row.response.lower():
            told.append(row)
    assert told
    assert all(row.route is not None and row.route.experts for row in told)
    assert all(row.second_look is None for row in measured.values())


def test_a_distilled_expert_is_trained_on_both_tasks(run: Path) -> None:
    report = ask(run, method="distil", max_drop=1.0, rank=8)
    assert report["adopted"]
    told = store_of(run).manifest("merged+1")
    alone = [read_json(run / "models" / "lumoe" / t / "manifest.json", dict) for t in ("A", "B")]
    assert told["train"]["samples"] == sum(m["train"]["samples"] for m in alone)
    assert told["settings"]["consolidate"] == "distil" and told["settings"]["lora"]["r"] == 8
    assert told["data_sha256"] not in {m["data_sha256"] for m in alone}
    cells = {(c["task"], c["metric"]): c for c in report["cells"]}
    assert cells["A", "forget_quality"]["after"]["score"] > 0.7
    kept = cells["A", "utility"]
    assert kept["after"]["score"] > kept["before"]["score"] - 0.05


def test_a_killed_call_changes_nothing_and_goes_on(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carriers = active_experts(store_of(run), ["A", "B"]).expert_for
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(consolidate, "compare", killed)
        ask(run, max_drop=1.0)
    assert active_experts(store_of(run), ["A", "B"]).expert_for == carriers
    assert store_of(run).names() == ["A", "B"] and store_of(run).unfinished() == []
    (stage,) = (store_of(run).root / STAGE).iterdir()
    answered = {p: p.stat().st_mtime_ns for p in stage.rglob("*.jsonl")}
    assert len(answered) == 8
    with monkeypatch.context() as patch:
        # Nothing is made or asked twice.
        patch.setattr(adapters, "merge", killed)
        patch.setattr(measuring, "answer_cell", killed)
        assert ask(run, max_drop=1.0)["adopted"]


def test_a_disabled_expert_leaves_too_few(run: Path) -> None:
    store_of(run).disable("B")
    with pytest.raises(UsageError, match="1 experts into 1"):
        ask(run)


def test_undone_the_run_answers_as_before(run: Path) -> None:
    first = ask(run, max_drop=1.0)
    roll_back(store_of(run), "merged+1")
    again = ask(run, max_drop=1.0)
    assert again["groups"][0]["name"] == "merged+2"
    assert again["cells"] == first["cells"]
