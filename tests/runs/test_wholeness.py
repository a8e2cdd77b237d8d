"""Answers and verdicts that were cut, halved, emptied or changed are noticed; no score is computed on what is left."""

import json
from pathlib import Path

import pytest

from mlubench import runs
from mlubench.core.errors import MlubenchError
from mlubench.core.reading import read_json
from mlubench.judging.rejudge import rejudge
from mlubench.runs.folder import RunDir
from mlubench.runs.status import status_of
from mlubench.runs.wholeness import damage, damaged_files, record
from support.runs import PRESET, Finished, call, scores

CELL = Path("npo") / "A-UB.jsonl"


def halve(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: len(lines) // 2]))


def cut(path: Path) -> None:
    """In the middle of its last line."""
    path.write_bytes(path.read_bytes()[:-20])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def break_a_line(path: Path) -> None:
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first[: len(first) // 2] + b"\n" + b"".join(rest))


def change(path: Path) -> None:
    path.write_bytes(
        path.read_bytes().replace(b'"score": 0', b'"score": 2').replace(b" is ", b" was ")
    )


DAMAGES = [halve, cut, empty, break_a_line, change]


def test_a_finished_run_knows_its_files(finished: Finished) -> None:
    records = read_json(finished.folder / "files.json", dict)
    written = [
        *finished.folder.glob("answers/*/*.jsonl"),
        *finished.folder.glob("verdicts/*/*/*.jsonl"),
    ]
    assert set(records) == {path.relative_to(finished.folder).as_posix() for path in written}
    for name, known in records.items():
        assert known["lines"] == len((finished.folder / name).read_text().splitlines())
    assert damaged_files(RunDir(finished.folder)) == []


@pytest.mark.parametrize("hurt", DAMAGES)
@pytest.mark.parametrize("kind", ["answers", "verdicts/rules"])
def test_damage_is_seen_and_nothing_is_scored_on_what_is_left(
    copied: Path, kind: str, hurt
) -> None:
    path = copied / kind / CELL
    before = (copied / "results.json").read_bytes()
    hurt(path)
    assert damage(RunDir(copied), path)
    status = status_of(copied)
    assert status.state == "under way"
    (told,) = status.damaged
    assert told.startswith(f"{kind}/npo/A-UB.jsonl: ")
    if kind == "answers":
        with pytest.raises(
            MlubenchError, match=r"npo/A-UB\.jsonl is not as the run wrote it.*anew"
        ):
            rejudge(copied, ["rules"])
        with pytest.raises(MlubenchError, match="not as the run wrote it"):
            runs.open(copied).answers("npo", "A", "B")
        assert (copied / "results.json").read_bytes() == before
    else:
        # Answers are whole, so what a judge said of them can be said again.
        rejudged = rejudge(copied, ["rules"])
        assert rejudged is not None
        assert scores(rejudged.as_json()["cells"]) == scores(json.loads(before)["cells"])
        assert status_of(copied).state == "finished"


@pytest.mark.parametrize("hurt", [halve, cut, empty])
def test_an_older_run_is_held_against_the_number_of_its_samples(copied: Path, hurt) -> None:
    (copied / "files.json").unlink()
    assert status_of(copied).state == "finished"
    hurt(copied / "answers" / CELL)
    assert len(status_of(copied).damaged) == 1
    with pytest.raises(MlubenchError, match="not as the run wrote it"):
        rejudge(copied, ["rules"])
    (copied / "answers" / CELL).write_text("{}\n" * 3)
    with pytest.raises(MlubenchError, match="not as the run wrote it: 3 of "):
        rejudge(copied, ["rules"])


def test_verdicts_that_were_never_recorded_are_held_against_the_answers(copied: Path) -> None:
    (copied / "files.json").unlink()
    before = read_json(copied / "results.json", dict)
    path = copied / "verdicts" / "rules" / CELL
    whole = path.read_bytes()
    halve(path)
    rejudged = rejudge(copied, ["rules"])
    assert rejudged is not None
    assert scores(rejudged.as_json()["cells"]) == scores(before["cells"])
    assert path.read_bytes() == whole


def test_a_file_is_recorded_as_it_is_now(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    path = run.answers("ga", "A", "A")
    path.parent.mkdir(parents=True)
    path.write_text('{"id": "a"}\n')
    assert damage(run, path) is None  # not recorded
    record(run, path)
    assert damage(run, path) is None
    path.write_text('{"id": "b"}\n')
    assert damage(run, path) == "its lines were changed"
    path.write_text("")
    assert damage(run, path) == "0 of 1 lines"
    record(run, path)
    assert damage(run, path) is None


@pytest.mark.parametrize("text", ["[]", "null", '{"answers/x.jsonl": 3}'])
def test_records_of_another_shape_are_one_line(copied: Path, text: str) -> None:
    (copied / "files.json").write_text(text)
    called = call("judge", copied, "--judge", "rules")
    assert called.code == 1
    assert "files.json cannot be used: " in called.error


def test_resumed_the_run_makes_them_again(finished: Finished, copied: Path) -> None:
    """Answers of a baseline, of LUMoE, of the base and of what it knows; and verdicts: to the last byte."""
    hurt = {
        "answers/npo/A-UB.jsonl": halve,
        "answers/lumoe/A-UA.jsonl": empty,
        "answers/base/B-U0.jsonl": cut,
        "answers/base/know-U0.jsonl": halve,
        "answers/lumoe+oracle/A-UB.jsonl": change,
        "verdicts/rules/po/A-UA.jsonl": empty,
    }
    for name, damage_of in hurt.items():
        damage_of(copied / name)
    rest = call("report", copied).err
    assert "is not finished" in rest and "answers/npo/A-UB.jsonl" in rest
    called = call("run", *PRESET, "--out", copied)
    assert called.code == 0, called.err
    for name in hurt:
        assert (copied / name).read_bytes() == (finished.folder / name).read_bytes(), name
        said = name.startswith("answers")
        assert (f"{name} is not as the run wrote it" in " ".join(called.err.split())) is said
    assert "[yellow]" not in called.err
    results = read_json(copied / "results.json", dict)
    assert scores(results["cells"]) == scores(finished.results["cells"])
    assert status_of(copied).state == "finished"
