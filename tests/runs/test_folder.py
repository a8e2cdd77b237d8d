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


@pytest.mark.parametrize("other", ["seed=1", "methods=[ga]", "train.lr=0.5", "judge=shuffled"])
def test_claim_refuses_other_settings(tmp_path: Path, other: str) -> None:
    run = RunDir(tmp_path)
    run.claim(load("smoke"))
    before = (tmp_path / "config.yaml").read_bytes()
    with pytest.raises(UsageError, match=r"other settings.*--out"):
        run.claim(load("smoke", [other]))
    assert (tmp_path / "config.yaml").read_bytes() == before


def test_claim_refuses_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="not a run"):
        RunDir(tmp_path).claim(load("smoke"))
    assert [f.name for f in tmp_path.iterdir()] == ["thesis.txt"]


def test_config_of_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run"):
        RunDir(tmp_path / "absent").config()


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
