"""A run's folder belongs to one configuration and one process; its lines survive a kill."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import whole_dir, write_json
from mlubench.core.lines import read_lines, write_lines
from mlubench.runs.folder import RunDir
from mlubench.runs.results import RunFacts
from mlubench.settings.loading import load

HOLD = """
import sys, time
from pathlib import Path
from mlubench.runs.folder import RunDir
from mlubench.runs.results import RunFacts
with RunDir(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_claim_takes_an_empty_folder_and_the_same_settings_again(tmp_path: Path) -> None:
    config = load("smoke", ["seed=3"])
    for _ in range(2):
        RunDir(tmp_path / "run").claim(config)
    assert RunDir(tmp_path / "run").config() == config


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ("seed=1", "seed is 0 there and 1 here"),
        (
            "methods=[ga]",
            'methods is ["ga", "npo", "po", "lumoe"] there and ["ga"] here',
        ),
        ("methods=[ga, npo, po, kl]", '["ga", "npo", "po", "kl"] here'),
        ("train.lr=0.5", "train.lr is 0.001 there and 0.5 here"),
        ("judge=shuffled", 'judge is "rules" there and "shuffled" here'),
        ("benchmark.order=[A]", 'benchmark.order is ["A", "B"] there and ["A"] here'),
        ("model.path=x", 'model.path is not set there and "x" here'),
        ("train.per_method.ga.lr=0.5", "train.per_method.ga.lr is not set there and 0.5 here"),
    ],
)
def test_claim_refuses_other_settings(tmp_path: Path, other: str, named: str) -> None:
    run = RunDir(tmp_path)
    run.claim(load("smoke"))
    before = (tmp_path / "config.yaml").read_bytes()
    with pytest.raises(UsageError, match=r"other settings.*--out") as caught:
        run.claim(load("smoke", [other]))
    assert named in caught.value.what
    assert "\n" not in str(caught.value)
    assert (tmp_path / "config.yaml").read_bytes() == before


def test_many_other_settings_are_counted(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.claim(load("smoke"))
    other = ["seed=1", "train.lr=0.5", "judge=shuffled", "gates.max_leak=0.1", "train.epochs=9"]
    with pytest.raises(UsageError, match=r"other settings: seed is .* and 2 more"):
        run.claim(load("smoke", other))


@pytest.mark.parametrize(
    "more",
    [
        ["methods=[ga, npo, po, lumoe, kl]"],
        ["methods=[dpo, ga, npo, po, lumoe]", "train.per_method.dpo.lr=0.1"],
        ["methods=[lumoe, po, npo, ga]"],
    ],
)
def test_a_method_may_be_added(tmp_path: Path, more: list[str]) -> None:
    run = RunDir(tmp_path)
    run.claim(load("smoke"))
    config = load("smoke", more)
    assert run.require_free(config) is False
    run.claim(config)
    assert run.config() == config
    assert run.require_free(config) is True


def test_what_the_base_must_know_may_change_until_something_is_unlearned(tmp_path: Path) -> None:
    """So the hint of the error "the base knows no fact" can be followed in the same folder."""
    run = RunDir(tmp_path)
    run.claim(load("smoke"))
    write_lines(run.know_answers, [])
    run.know.write_text("{}")
    run.claim(load("smoke", ["know.min_score=0.5"]))
    assert not run.know.exists()
    assert run.know_answers.exists()
    write_lines(run.answers("base", "A", "0"), [])
    with pytest.raises(UsageError, match=r"know\.min_score is 0\.5 there and 0\.25 here"):
        run.claim(load("smoke", ["know.min_score=0.25"]))


def test_claim_refuses_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="not a run"):
        RunDir(tmp_path).claim(load("smoke"))
    assert [f.name for f in tmp_path.iterdir()] == ["thesis.txt"]


def test_config_of_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run"):
        RunDir(tmp_path / "absent").config()


def test_a_run_that_prepares_its_base_is_no_run_yet(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    with run.lock(), pytest.raises(UsageError, match="is no run yet"):
        run.config()


def test_lock_refuses_a_second_process_and_is_freed_by_its_death(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, run.root], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(MlubenchError, match="another process") as caught, run.lock():
            pass
        assert caught.value.exit_code == 1
        os.kill(child.pid, signal.SIGKILL)
    with run.lock():
        pass


def test_lock_on_a_file_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for where in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="not a folder"), RunDir(where).lock():
            pass


def test_archived_stops_at_the_first_gap(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    for task in "AC":
        with whole_dir(run.archive("ga", task), {}):
            pass
    run.archive("ga", "B").mkdir()  # without a manifest it is not whole
    assert run.archived("ga", ["A", "B", "C"]) == ["A"]
    assert run.archived("ga", ["C", "A", "B"]) == ["C", "A"]
    assert run.archived("npo", ["A"]) == []


def test_lines_come_back_as_written(tmp_path: Path) -> None:
    rows = [{"id": "a", "response": "Pokémon\nline \u2028 two"}, {"id": "b", "response": ""}]
    write_lines(tmp_path / "x.jsonl", rows)
    assert read_lines(tmp_path / "x.jsonl") == rows
    assert read_lines(tmp_path / "absent.jsonl") == []


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_a_last_line_cut_short_is_left_out(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.jsonl"
    line = json.dumps({"id": "bé"}, ensure_ascii=False).encode()  # a cut may fall into a character
    path.write_bytes(b'{"id": "a"}\n' + line[:-cut])
    assert read_lines(path) == [{"id": "a"}]


@pytest.mark.parametrize("broken", [b'{"id": ', b"\0\0\0", b'{"id": "\xff"}'])
def test_a_broken_middle_line_is_an_error_that_names_it(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"id": "a"}\n' + broken + b'\n{"id": "c"}\n')
    with pytest.raises(MlubenchError, match=r"x\.jsonl, line 2 is broken.*Delete"):
        read_lines(path)


def test_note_lays_over_what_is_there(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    write_json(run.facts_file, {"of_a_later_version": 1, "preset": "toy", "seed": 2})
    run.note(RunFacts(seed=3))
    assert json.loads(run.facts_file.read_text()) == {
        "preset": "toy",
        "seed": 3,
        "of_a_later_version": 1,
    }


def test_any_judges_name_makes_a_folder_of_its_own(tmp_path: Path) -> None:
    names = [
        "rules",
        "openai:gpt-4o-2024-08-06",
        "openai:org/model:free",
        "local:a/b",
        "local:a_b",
        "local:../..",
        "local:" + "x" * 500,
    ]
    names.append(names[-1] + "y")
    folders = [RunDir(tmp_path).judged(name) for name in names]
    assert len(set(folders)) == len(names)
    assert all(f.parent == tmp_path / "verdicts" and len(f.name) < 250 for f in folders)
    for folder in folders:
        folder.mkdir(parents=True)
    assert folders[0].name == "rules"
