"""`mlubench judge`: the same answers before another judge, or several side by side."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from mlubench.core.reading import read_json
from support.runs import KEY, Finished, call, level, scores


def test_two_judges_keep_their_cells_apart(finished: Finished, copied: Path) -> None:
    answers = {p: p.stat().st_mtime_ns for p in (copied / "answers").rglob("*.jsonl")}
    called = call("judge", copied, "--judge", "rules", "--judge", "shuffled", "--json")
    assert called.code == 0
    results = json.loads(called.out)
    assert results == read_json(copied / "results.json", dict)
    found, old = scores(results["cells"]), scores(finished.results["cells"])
    assert len(found) == len(results["cells"]) == 2 * len(old)
    assert {key: value for key, value in found.items() if key[0] == "rules"} == old
    assert {("shuffled", *key[1:]) for key in old} == {key for key in found if key[0] == "shuffled"}
    assert Counter(row["judge"] for row in results["summary"]) == {"rules": 4, "shuffled": 4}
    shuffled = [c for c in results["cells"] if c["judge"] == "shuffled"]
    assert max(level(shuffled, "lumoe", "utility").values()) < 0.3
    assert {p: p.stat().st_mtime_ns for p in answers} == answers


def test_a_judge_named_twice_counts_once(copied: Path) -> None:
    results = json.loads(
        call("judge", copied, "--judge", "rules", "--judge", "rules", "--json").out
    )
    assert max(Counter(tuple(c[k] for k in KEY) for c in results["cells"]).values()) == 1


def test_verdicts_thrown_away_come_back_the_same(finished: Finished, copied: Path) -> None:
    from shutil import rmtree

    rmtree(copied / "verdicts")
    called = call("judge", copied)
    assert called.code == 0
    assert "LUMoE" in called.out
    assert scores(read_json(copied / "results.json", dict)["cells"]) == scores(
        finished.results["cells"]
    )


def test_an_unknown_judge_changes_nothing(copied: Path) -> None:
    before = (copied / "results.json").read_bytes()
    called = call("judge", copied, "--judge", "rules", "--judge", "shufled")
    assert called.code == 2
    assert "Did you mean 'shuffled'?" in called.error
    assert (copied / "results.json").read_bytes() == before


def test_a_broken_line_of_answers_is_a_failure_that_names_it(copied: Path) -> None:
    path = copied / "answers" / "npo" / "A-UB.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[1][:30] + "\n", *lines[2:]]))
    (copied / "verdicts" / "rules" / "npo" / "A-UB.jsonl").unlink()
    called = call("judge", copied)
    assert called.code == 1
    assert "A-UB.jsonl, line 2 is broken" in called.error


@pytest.mark.parametrize("words", [["rules"], ["openai:gpt-4o-2024-08-06", "--dry-run"]])
def test_judging_loads_no_torch(copied: Path, words: list[str]) -> None:
    arguments = ["judge", str(copied), "--judge", *words]
    code = (
        "import sys\n"
        "from mlubench.cli.main import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code\n"
        "assert 'mlubench.judging.run' in sys.modules\n"
        "assert 'torch' not in sys.modules\n"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
