"""results.json keeps the public contract, and its numbers follow from the verdicts beside it."""

import itertools
import math
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from mlubench.core.files import read_manifest
from mlubench.core.lines import read_lines, write_lines
from mlubench.core.reading import read_json
from mlubench.judging.scoring import build_results
from mlubench.runs.folder import RunDir
from mlubench.runs.opening import open_run
from mlubench.runs.wholeness import record
from mlubench.settings.loading import load
from mlubench.types import METRIC_OF
from support.runs import KEY, Finished, grouped, scores

PAIRS = [("A", "A"), ("A", "B"), ("B", "B")]
PROBABILITY = "truth_probability"
METRICS = ("forget_quality", "utility")


@pytest.fixture(scope="session")
def results(finished: Finished) -> dict[str, Any]:
    return finished.results


def test_exactly_one_cell_for_each_of_what_there_is(results: dict[str, Any]) -> None:
    methods = load("smoke").methods
    wanted = [("rules", m, t, a, x) for m, (t, a), x in itertools.product(methods, PAIRS, METRICS)]
    assert sorted(tuple(c[k] for k in KEY) for c in results["cells"]) == sorted(wanted)


def test_cells_keep_the_contract(results: dict[str, Any]) -> None:
    assert results["schema_version"] == 1
    for cell in results["cells"]:
        assert {*KEY, "score", "ci95", "n", "unscored"} <= set(cell)
        low, high = cell["ci95"]
        assert 0 <= low <= cell["score"] <= high <= 1
        assert cell["n"] > 0
        assert isinstance(cell["n"], int)
        assert cell["unscored"] >= 0


def test_summary_and_gates_keep_the_contract(results: dict[str, Any]) -> None:
    assert [row["method"] for row in results["summary"]] == load("smoke").methods
    for row in results["summary"]:
        assert set(row["stability"]) == set(row["final"]) == set(METRICS)
        assert row["train_seconds"] > 0
        assert row["peak_memory_bytes"] is None or row["peak_memory_bytes"] > 1_000_000
    gates = ["hybrid", "prototype", "metric", "mention", "oracle"]
    assert [(row["after"], row["gate"]) for row in results["gates"]] == [
        (t, g) for t in "AB" for g in gates
    ]
    assert [row["gate"] for row in results["gates"] if row["configured"]] == ["hybrid", "hybrid"]
    for row in results["gates"]:
        rates = [
            row[k]
            for k in ("leak_rate", "over_refusal_rate", "wrong_expert_rate", "auroc", "fpr95")
        ]
        assert all(0 <= rate <= 1 for rate in rates)
        assert (row["unseen_refusal_rate"] is None) == (
            row["after"] == "B"
        )  # of B nothing is left to come
        assert row["n"] > 0
        assert row["latency_ms_p50"] > 0
        assert row["failed"] == row["refused"] == 0
        assert ("rerouted" in row) == (row["after"] == "B")
    leaks = {row["gate"]: row["leak_rate"] for row in results["gates"] if row["after"] == "B"}
    assert leaks["oracle"] == 0 < leaks["mention"]  # questions name nobody
    assert 0 <= results["gates"][-1]["rerouted"] <= results["gates"][-1]["rerouted_n"] > 0
    counts = [
        {k: v for k, v in row.items() if k.startswith("gate_failed")} for row in results["summary"]
    ]
    none = {"gate_failed_refused": 0, "gate_failed_base": 0}
    assert counts == [none if name == "lumoe" else {} for name in load("smoke").methods]


def test_endings_are_those_of_the_base_and_each_method(results: dict[str, Any]) -> None:
    rows = {(row["method"], row["split"]): row for row in results["endings"]}
    methods = ["base", *load("smoke").methods, "gate-only"]
    assert sorted(rows) == sorted(itertools.product(methods, ("forget", "retain")))
    counted = {(c["method"], c["metric"]): 0 for c in results["cells"]}
    for cell in results["cells"]:
        if cell["after"] == "B":
            counted[cell["method"], cell["metric"]] += cell["n"] + cell["unscored"]
    for method in load("smoke").methods:
        assert rows[method, "forget"]["n"] == counted[method, "forget_quality"]
    # What LUMoE's experts were taught, and what the base still says.
    assert rows["lumoe", "forget"]["refusals"] > 0.8 * rows["lumoe", "forget"]["n"]
    assert rows["base", "forget"]["refusals"] < 0.1 * rows["base", "forget"]["n"]


def test_run_says_what_made_it(results: dict[str, Any]) -> None:
    run = results["run"]
    assert (run["preset"], run["seed"], run["stand_ins"], run["judge"]) == (
        "smoke",
        0,
        True,
        "rules",
    )
    assert run["benchmark"]["tasks"] == ["A", "B"]
    assert set(run["versions"]) >= {"mlubench", "torch", "transformers", "peft"}
    assert all(len(h) == 64 for h in run["model_sha256"].values())
    assert run["model_sha256"]


def test_dropped_facts_are_those_of_the_filter_alone(finished: Finished) -> None:
    """Tasks that the order leaves out are not facts that the base did not know."""
    know = read_json(finished.folder / "know.json", dict)
    assert finished.results["run"]["benchmark"]["facts_dropped"] == len(know["dropped"])


def test_scores_follow_from_the_verdicts(finished: Finished) -> None:
    run = RunDir(finished.folder)
    found = scores(finished.results["cells"])
    for (judge, method, task, after, metric), (score, _, n, unscored) in found.items():
        answers = {row["id"]: row for row in read_lines(run.answers(method, task, after))}
        verdicts = read_lines(run.verdicts(judge, method, task, after))
        assert {v["id"] for v in verdicts} == set(answers)
        mine = [v["score"] for v in verdicts if METRIC_OF[answers[v["id"]]["split"]] == metric]
        scored = [s for s in mine if s is not None]
        assert (n, unscored) == (len(scored), len(mine) - len(scored))
        assert score == pytest.approx(sum(scored) / (2 * len(scored)), abs=1e-6)


def test_stability_and_final_follow_from_the_cells(results: dict[str, Any]) -> None:
    for row in results["summary"]:
        for metric in METRICS:
            of = {
                (c["task"], c["after"]): c["score"]
                for c in results["cells"]
                if (c["method"], c["metric"]) == (row["method"], metric)
            }
            assert row["stability"][metric] == pytest.approx(
                abs(of["A", "A"] - of["A", "B"]), abs=1e-6
            )
            assert row["final"][metric] == pytest.approx(
                (of["A", "B"] + of["B", "B"]) / 2, abs=1e-6
            )


def test_train_seconds_are_those_of_the_archives(finished: Finished) -> None:
    run = RunDir(finished.folder)
    for row in finished.results["summary"]:
        spent = [read_manifest(run.archive(row["method"], t))["train"]["seconds"] for t in "AB"]
        assert row["train_seconds"] == pytest.approx(sum(spent), abs=1e-3)


@pytest.mark.parametrize("by", ["phrasing", "class", "entity"])
def test_breakdowns_part_every_cell(results: dict[str, Any], by: str) -> None:
    parts = grouped([b for b in results["breakdowns"] if b["by"] == by], *KEY)
    assert set(parts) == set(scores(results["cells"]))
    for key, (score, _, n, unscored) in scores(results["cells"]).items():
        rows = parts[key]
        assert len({row["value"] for row in rows}) == len(rows)
        assert sum(row["n"] for row in rows) == n
        assert sum(row["unscored"] for row in rows) == unscored
        total = math.fsum(row["score"] * row["n"] for row in rows if row["score"] is not None)
        assert total / n == pytest.approx(score, abs=1e-5)


def test_phrasings_seen_and_unseen_are_apart(results: dict[str, Any]) -> None:
    for rows in grouped([b for b in results["breakdowns"] if b["by"] == "phrasing"], *KEY).values():
        sizes = {row["value"]: row["n"] for row in rows}
        assert set(sizes) == {"seen", "unseen"}
        assert sizes["unseen"] > sizes["seen"] > 0  # one phrasing in five is trained on


def test_probabilities_are_averaged_over_the_answers_that_a_model_gave(
    finished: Finished, tmp_path: Path
) -> None:
    """And nothing is said of them where the run did not measure any."""
    run = RunDir(copytree(finished.folder, tmp_path / "run"))
    path = run.answers("npo", "A", "B")
    rows = read_lines(path)
    assert not any(
        PROBABILITY in key for cell in finished.results["cells"] for key in (*cell, *rows[0])
    )
    forget = [row for row in rows if row["split"] == "forget"]
    for n, row in enumerate(forget):
        row[PROBABILITY] = None if n < 2 else n / 100
    for row in rows:
        row.setdefault(PROBABILITY, None)
    write_lines(path, rows)
    # As a run does: otherwise these would be answers that somebody changed.
    record(run, path)
    build_results(open_run(run.root), ["rules"])
    built = read_json(run.results, dict)
    cells = {
        c["metric"]: c
        for c in built["cells"]
        if (c["method"], c["task"], c["after"]) == ("npo", "A", "B")
    }
    expected = sum(n / 100 for n in range(2, len(forget))) / (len(forget) - 2)
    assert cells["forget_quality"][PROBABILITY] == pytest.approx(expected, abs=1e-6)
    assert cells["forget_quality"]["truth_probability_missing"] == 2
    assert (cells["utility"][PROBABILITY], cells["utility"]["truth_probability_missing"]) == (
        None,
        len(rows) - len(forget),
    )
    others = [c for c in built["cells"] if c not in cells.values()]
    assert others == [
        c
        for c in finished.results["cells"]
        if (c["method"], c["task"], c["after"]) != ("npo", "A", "B")
    ]
    assert built["summary"] == finished.results["summary"]


def test_results_hold_only_what_is_judged(finished: Finished, tmp_path: Path) -> None:
    run = RunDir(copytree(finished.folder, tmp_path / "run"))
    run.verdicts("rules", "npo", "A", "B").unlink()
    built = build_results(open_run(run.root), ["rules"]).as_json()
    gone = set(scores(finished.results["cells"])) - set(scores(built["cells"]))
    assert gone == {("rules", "npo", "A", "B", x) for x in METRICS}
    summary = {row["method"]: row for row in built["summary"]}
    assert summary["npo"]["stability"] == summary["npo"]["final"] == dict.fromkeys(METRICS)
    assert None not in summary["po"]["final"].values()
