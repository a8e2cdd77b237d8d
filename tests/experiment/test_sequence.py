"""The whole experiment on the tiny model: what it must show, what chance is, other orders, and kills at any point."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from statistics import mean, pstdev
from typing import Any

import pytest
from rich.console import Console

from mlubench.core.files import is_whole, read_manifest
from mlubench.core.lines import read_lines
from mlubench.judging.rejudge import rejudge
from mlubench.judging.rules.refusal import refusal
from mlubench.judging.run import make_judge
from mlubench.runs.folder import RunDir
from mlubench.runs.rows import read_answers
from mlubench.settings.loading import load
from mlubench.types import AnswerRow
from support.forking import Forks, ended
from support.runs import PRESET, Finished, level, scores

SHORT = [
    "device=cpu",
    "methods=[npo, lumoe]",
    "train.epochs=2",
    "train.lr=0.005",
    "evaluate.limit=8",
    "evaluate.resamples=100",
    "evaluate.probability=true",
]
BASELINES = ("ga", "npo", "po")


def run_here(folder: Path, *more: str) -> dict[str, Any]:
    from mlubench.experiment.sequence import run_lifelong

    return run_lifelong(load("smoke", [*SHORT, *more]), folder, Console(quiet=True)).as_json()


def test_run_leaves_the_folder_of_the_contract(finished: Finished) -> None:
    for name in ("config.yaml", "run.json", "results.json", "report.html", "know.json"):
        assert (finished.folder / name).stat().st_size > 100
    for method in (*BASELINES, "lumoe"):
        for task, after in (("A", "A"), ("A", "B"), ("B", "B")):
            archive = finished.folder / "models" / method / task
            assert (archive / "adapter_model.safetensors").is_file()
            assert "adapter_model.safetensors" in read_manifest(archive)["files"]
            rows = read_lines(finished.folder / "answers" / method / f"{task}-U{after}.jsonl")
            assert {"id", "split", "question", "truth", "response", "route"} <= set(rows[0])
            assert (
                finished.folder / "verdicts" / "rules" / method / f"{task}-U{after}.jsonl"
            ).is_file()
    left = [
        str(f)
        for f in finished.folder.rglob("*")
        if f.name.endswith((".tmp", ".part")) or f.name == "work"
    ]
    assert left == []


def test_base_knows_what_is_to_be_unlearned(finished: Finished) -> None:
    assert min(level(finished.results["base"], "base", "utility").values()) > 0.9
    assert max(level(finished.results["base"], "base", "forget_quality").values()) < 0.1


def test_lumoe_forgets_and_keeps(finished: Finished) -> None:
    base, kept = (
        level(finished.results["base"], "base", "utility"),
        level(finished.results["cells"], "lumoe", "utility"),
    )
    for (task, _), utility in kept.items():
        # The smoke base sees poorly, and its gate takes one of nine retain pictures for what is to be forgotten.
        assert utility == pytest.approx(base[task, "0"], abs=0.12)
    for (task, _), utility in level(
        finished.results["upper_bound"], "lumoe+oracle", "utility"
    ).items():
        assert utility == pytest.approx(base[task, "0"], abs=0.05)  # the experts themselves keep it
    final = next(row["final"] for row in finished.results["summary"] if row["method"] == "lumoe")
    assert final["forget_quality"] > 0.8


def test_upper_bound_is_apart_and_no_worse_but_for_the_second_look(finished: Finished) -> None:
    """It bounds what gate and experts do. Where these tell, the second look refuses, which the bound does without."""
    assert {c["method"] for c in finished.results["upper_bound"]} == {"lumoe+oracle"}
    best = level(finished.results["upper_bound"], "lumoe+oracle", "forget_quality")
    for (task, after), score in level(finished.results["cells"], "lumoe", "forget_quality").items():
        rows = read_lines(RunDir(finished.folder).answers("lumoe", task, after))
        forget = [row for row in rows if row["split"] == "forget"]
        held_back = sum("second_look" in row for row in forget) / len(forget)
        assert best[task, after] >= score - held_back - 0.05


def test_some_baseline_lost_utility(finished: Finished) -> None:
    finals = {row["method"]: row["final"]["utility"] for row in finished.results["summary"]}
    assert min(finals[m] for m in BASELINES) < finals["lumoe"] - 0.05


def test_what_reaches_no_expert_is_answered_by_the_base_word_for_word(finished: Finished) -> None:
    run, seen = RunDir(finished.folder), 0
    for task, after in (("A", "A"), ("A", "B"), ("B", "B")):
        base = {row["id"]: row["response"] for row in read_lines(run.answers("base", task, "0"))}
        for row in read_lines(run.answers("lumoe", task, after)):
            if not row["route"]["experts"]:
                assert row["response"] == base[row["id"]]
                seen += 1
    assert seen >= 40


def test_experts_answer_what_is_routed_to_them(finished: Finished) -> None:
    rows = read_lines(RunDir(finished.folder).answers("lumoe", "B", "B"))
    routed = [row for row in rows if row["route"]["experts"]]
    assert {tuple(row["route"]["experts"]) for row in routed} <= {("A",), ("B",)}
    assert sum(bool(refusal(row["response"])) for row in routed) > 0.8 * len(routed) > 0


def test_pictures_that_train_are_never_tested(finished: Finished, benchmark: Any) -> None:
    trained = {s.image for s in benchmark.samples if s.role != "test"}
    for path in finished.folder.glob("answers/*/[AB]-U*.jsonl"):
        assert not trained & {row["image"] for row in read_lines(path)}


def apart(entities: list[str], dice: random.Random) -> list[int]:
    """A random permutation that leaves no row in its own entity: any such one, then as many random swaps as mix it."""
    order = sorted(range(len(entities)), key=entities.__getitem__)
    turn = max(Counter(entities).values())
    dealt = [0] * len(order)
    for at, row in enumerate(order):
        dealt[row] = order[(at + turn) % len(order)]
    for _ in range(30 * len(dealt)):
        a, b = dice.randrange(len(dealt)), dice.randrange(len(dealt))
        if entities[a] != entities[dealt[b]] and entities[b] != entities[dealt[a]]:
            dealt[a], dealt[b] = dealt[b], dealt[a]
    assert all(entities[row] != entities[dealt[row]] for row in order)
    return dealt


def chance(rows: list[AnswerRow], metric: str, judge: Any, draws: int = 25) -> list[float]:
    """What a metric's rows score when they get the answers of other entities' rows, for several such deals."""
    dice, found = random.Random(0), []
    for _ in range(draws):
        dealt = apart([row.entity for row in rows], dice)
        asked = [
            replace(row, response=rows[j].response).to_judge()
            for row, j in zip(rows, dealt, strict=True)
        ]
        verdicts = judge.judge([q for q in asked if q.metric == metric])
        found.append(sum(v.score or 0 for v in verdicts) / (2 * len(verdicts)))
    return found


def test_shuffled_answers_score_at_chance(finished: Finished, tmp_path: Path) -> None:
    """A control that must fail: answers dealt to other entities' questions earn what unrelated answers earn."""
    run = RunDir(copytree(finished.folder, tmp_path / "run"))
    cells = rejudge(run.root, ["shuffled"]).as_json()["cells"]
    references = [
        (row.cls, row.truth)
        for task in "AB"
        for row in read_answers(run.answers("base", task, "0"))
    ]
    judge = make_judge("rules", references)
    for task in "AB":
        rows = read_answers(run.answers("lumoe", task, "B"))
        for metric in ("utility", "forget_quality"):
            null, shuffled = chance(rows, metric, judge), level(cells, "lumoe", metric)[task, "B"]
            assert abs(shuffled - mean(null)) <= 4 * pstdev(null) + 0.03, (task, metric)
            assert shuffled < level(finished.results["cells"], "lumoe", metric)[task, "B"] - 0.3


def test_shuffled_refusals_earn_their_share_of_the_cell(finished: Finished, tmp_path: Path) -> None:
    """Forget quality cannot tell which question was refused: it falls to the share of refusals among others' answers."""
    run = RunDir(copytree(finished.folder, tmp_path / "run"))
    shuffled = level(rejudge(run.root, ["shuffled"]).as_json()["cells"], "lumoe", "forget_quality")[
        "A", "A"
    ]
    rows = read_lines(run.answers("lumoe", "A", "A"))
    refused = {row["id"]: bool(refusal(row["response"])) for row in rows}
    shares = [
        mean(refused[other["id"]] for other in rows if other["entity"] != row["entity"])
        for row in rows
        if row["split"] == "forget"
    ]
    assert shuffled == pytest.approx(mean(shares), abs=0.2)


def test_another_order_tested_on_all_tasks(cache: Path, base_path: Path, tmp_path: Path) -> None:
    results = run_here(
        tmp_path / "run", "benchmark.order=[B, A]", "evaluate.tasks=all", "methods=[lumoe]"
    )
    cells = level(results["cells"], "lumoe", "forget_quality")
    assert set(cells) == {("A", "B"), ("B", "B"), ("A", "A"), ("B", "A")}
    assert results["run"]["benchmark"]["tasks"] == ["B", "A"]
    assert results["run"]["model"] == base_path.name  # the base does not depend on the order
    run = RunDir(tmp_path / "run")
    assert [read_manifest(run.archive("lumoe", t))["tasks"] for t in "BA"] == [["B"], ["B", "A"]]
    asked = {tuple(row["route"]["experts"]) for row in read_lines(run.answers("lumoe", "A", "B"))}
    assert not any("A" in experts for experts in asked)  # nothing of A is unlearned yet
    (summary,) = results["summary"]
    final = level(results["cells"], "lumoe", "utility")
    assert summary["final"]["utility"] == pytest.approx(
        (final["A", "A"] + final["B", "A"]) / 2, abs=1e-6
    )


@pytest.fixture(scope="module")
def uninterrupted(
    base_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    return folder, run_here(folder)


def count(folder: Path) -> int:
    """Files there. A run only ever adds some, so that their number tells how far it is, however slow the machine."""
    return sum(len(files) for _, _, files in os.walk(folder))


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    """Starts runs, each in a process of its own."""
    started = Forks("run_play.py")
    yield started
    assert started.end() == 0


def kill_at(forks: Forks, folder: Path, files: int, delay: float) -> bool:
    """Start the run and kill it `delay` seconds after so many files are there. Whether it was killed."""
    words = [*PRESET, *(word for setting in SHORT for word in ("-s", setting))]
    child = forks.start(json.dumps([*words, "--out", str(folder)]))
    while not ended(child) and count(folder) < files:
        time.sleep(0.01)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    code = forks.code()
    assert code in (0, -signal.SIGKILL)
    return code != 0


def same_as(folder: Path, results: dict[str, Any], expected: tuple[Path, dict[str, Any]]) -> None:
    assert scores(results["cells"]) == scores(expected[1]["cells"])
    chances = [
        [cell["truth_probability"] for cell in found["cells"]] for found in (results, expected[1])
    ]
    assert chances[0] == chances[1]
    assert all(0 < chance < 1 for chance in chances[0])
    for path in expected[0].glob("answers/*/*.jsonl"):
        assert (folder / path.relative_to(expected[0])).read_bytes() == path.read_bytes()
    assert all(is_whole(folder / "models" / m / t) for m in ("npo", "lumoe") for t in "AB")


def test_killed_again_and_again_it_comes_to_the_same_end(
    uninterrupted: tuple[Path, Any], forks: Forks, tmp_path: Path
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown where the test fails
    dice, most = random.Random(seed), count(uninterrupted[0])
    # The first comes when hardly anything is there, so that this process need not be fast to find the run at work.
    points = [2, *sorted(dice.sample(range(3, most - 8), 2))]
    killed = [kill_at(forks, tmp_path / "run", n, dice.random() / 4) for n in points]
    assert killed[0]
    same_as(tmp_path / "run", run_here(tmp_path / "run"), uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("point", range(10))
def test_killed_at_a_random_point_it_comes_to_the_same_end(
    uninterrupted: tuple[Path, Any], forks: Forks, tmp_path: Path, point: int
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown where the test fails
    dice, most = random.Random(seed), count(uninterrupted[0])
    kill_at(forks, tmp_path / "run", dice.randrange(1, most), dice.random() / 2)
    same_as(tmp_path / "run", run_here(tmp_path / "run"), uninterrupted)
