"""The smoke preset gives what version 0.1.0 gave, to the last digit: its results.json is `fixtures/smoke-0.1.json`.

But for what the gate `hybrid` changes, since its picture gate is `metric`: it refuses nothing that must stay any more, so
LUMoE's utility on A after B is 1.00 where it was 0.90. Those rows of the file are today's. Since requests are learned in
guises too, two pictures of twelve of later tasks reach an expert after A where it was one.
"""

from dataclasses import replace
from shutil import copytree, rmtree
from typing import Any

import pytest

from mlubench.core.reading import read_json
from mlubench.judging.rejudge import rejudge
from mlubench.runs.folder import RunDir
from mlubench.runs.rows import read_answers, write_answers
from mlubench.runs.wholeness import record
from support.paths import FIXTURES
from support.runs import HARM_KEYS, Finished, scores

OLD = read_json(FIXTURES / "smoke-0.1.json", dict)
# What depends on the machine and its load.
TIMED = ("latency_ms_p50", "train_seconds", "peak_memory_bytes")
# Keys that results and their rows have since. Nothing of what stood there before may change by them.
ADDED = (
    *("stranger_rate", "stranger_rate_ci95", "stranger_rate_n", "endings"),
    *HARM_KEYS,
    "stated",
    "references",
    "reference_comparisons",
)
# Gates that are reported since.
ADDED_GATES = ("metric",)


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    left_out = (*TIMED, *ADDED)
    old = [row for row in rows if row.get("gate") not in ADDED_GATES]
    return [{key: value for key, value in row.items() if key not in left_out} for row in old]


def keys_of(rows: list[dict[str, Any]]) -> list[list[str]]:
    """The keys of each row, in their order, without those that were added."""
    old = [row for row in rows if row.get("gate") not in ADDED_GATES]
    return [[key for key in row if key not in ADDED] for row in old]


@pytest.fixture(scope="module")
def drafts(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of the same run as it would be without the second look, which version 0.1.0 did not have."""
    folder = copytree(finished.folder, tmp_path_factory.mktemp("drafts") / "run")
    run = RunDir(folder)
    for file in run.answer_files("lumoe"):
        rows = []
        for row in read_answers(file.path):
            look = row.second_look
            rows.append(
                row if look is None else replace(row, response=look.draft, second_look=None)
            )
        write_answers(file.path, rows)
        record(run, file.path)
    rmtree(folder / "verdicts")
    assert rejudge(folder, ["rules"]) is not None
    return read_json(folder / "results.json", dict)


def test_smoke_scores_as_it_did(drafts: dict[str, Any]) -> None:
    """Exactly so where the base is the same. A skip of this test is a sign to look at."""
    if drafts["run"]["model_sha256"] != OLD["run"]["model_sha256"]:
        pytest.skip("this processor rounds otherwise and has trained a base of other weights")
    for part in ("base", "cells", "upper_bound", "breakdowns", "comparisons", "summary", "gates"):
        assert without_times(drafts[part]) == without_times(OLD[part]), part


def test_the_second_look_moves_scores_only_where_it_held_something_back(
    finished: Finished, drafts: dict[str, Any]
) -> None:
    run = RunDir(finished.folder)
    held_back = set()
    for file in run.answer_files("lumoe"):
        if any(row.second_look for row in read_answers(file.path)):
            held_back.add(("lumoe", file.task, file.after))
    first, final = scores(drafts["cells"]), scores(finished.results["cells"])
    assert set(first) == set(final)
    for cell, score in final.items():
        if cell[1:4] not in held_back:
            assert score == first[cell], cell
        elif cell[4] == "forget_quality":
            assert score[0] >= first[cell][0], cell


def test_smoke_scores_are_alike_on_any_processor(finished: Finished) -> None:
    old_cells, new_cells = scores(OLD["cells"]), scores(finished.results["cells"])
    assert set(new_cells) == set(old_cells)
    for cell, (score, _, n, _) in new_cells.items():
        assert n == old_cells[cell][2], cell
        assert score == pytest.approx(old_cells[cell][0], abs=0.25), cell


def test_results_have_the_keys_they_had_in_their_order(finished: Finished) -> None:
    new = finished.results
    assert [key for key in new if key not in ADDED] == list(OLD)
    assert list(new["run"]) == list(OLD["run"])
    for part in ("base", "cells", "upper_bound", "breakdowns", "comparisons", "summary", "gates"):
        assert keys_of(new[part]) == keys_of(OLD[part])
