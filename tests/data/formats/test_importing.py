"""An import is whole or not there, tells what it assumed and lost, and ends in data that every command reads."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlubench.core.errors import DataError, UsageError
from mlubench.core.files import read_manifest
from mlubench.data.formats.importing import FACTS, import_benchmark
from mlubench.data.formats.item import ImportOptions, Item, Picture, Place
from mlubench.data.formats.table import FORMATS
from mlubench.types import Split
from support.downloads import imported, picture, write_lines
from support.runs import call


def told(names: list[str]) -> list[dict[str, str]]:
    return [
        {"entity": name, "question": f"Where is {name}?", "answer": f"In {n}."}
        for n, name in enumerate(names)
    ]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "people.jsonl"
    write_lines(path, told(["Ada", "Bo", "Cem", "Dora"]))
    return path


def test_the_same_command_writes_the_same_files(source: Path) -> None:
    first = imported("huggingface", source, tasks=2)
    out = source.parent / "again"
    import_benchmark("huggingface", source, out, ImportOptions(tasks=2), quiet=True)
    assert read_manifest(out)["files"] == read_manifest(first.root)["files"]
    assert json.loads((out / FACTS).read_text()) == first.facts


def test_a_failed_import_leaves_nothing(source: Path) -> None:
    write_lines(source, [*told(["Ada"]), {"entity": "Bo", "question": "Who?", "answer": " "}])
    out = source.parent / "out"
    with pytest.raises(DataError, match=r"people\.jsonl row 1, field answer: is empty"):
        import_benchmark("huggingface", source, out, ImportOptions(), quiet=True)
    assert [path.name for path in source.parent.iterdir()] == ["people.jsonl"]


def test_an_interrupted_import_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, source: Path
) -> None:
    def read(path: Path, *_: object) -> Iterator[Item]:
        shown = Picture(picture(0), "image")
        yield Item(Place(path, 0), "Person", "Ada", "Who is this?", "Ada.", shown)
        raise KeyboardInterrupt

    monkeypatch.setattr(FORMATS, "resolve", lambda _: read)
    with pytest.raises(KeyboardInterrupt):
        import_benchmark("tofu", source, source.parent / "out", ImportOptions(), quiet=True)
    assert [path.name for path in source.parent.iterdir()] == ["people.jsonl"]


def test_nothing_is_written_over(source: Path) -> None:
    done = imported("huggingface", source)
    with pytest.raises(UsageError, match="holds an import already"):
        import_benchmark("huggingface", source, done.root, ImportOptions(), quiet=True)
    with pytest.raises(UsageError, match="is there and not empty"):
        import_benchmark("huggingface", source, source.parent, ImportOptions(), quiet=True)


def test_a_question_that_comes_again_is_left_out_and_counted(source: Path) -> None:
    again = told(["Ada", "Bo", "Cem", "Dora"])
    other = {**again[0], "answer": "Elsewhere."}
    write_lines(source, [*again, again[1], other])
    lost = imported("huggingface", source).facts["lost"]
    assert lost == {
        "questions that were there already, with the same answer": 1,
        "questions that were there already, with another answer": 1,
    }


def test_names_that_paths_cannot_hold_stay_apart(source: Path) -> None:
    write_lines(source, told(["A/B", "A B", "ADA", "Ada"]))
    done = imported("huggingface", source)
    names = done.names("forget") | done.names("retain")
    assert names == {"A_B", "A_B_2", "ADA", "Ada_2"}


def test_a_picture_of_something_forgotten_is_not_kept_for_something_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def read(path: Path, *_: object) -> Iterator[Item]:
        rows: list[tuple[str, int, Split]] = [
            ("Ada", 0, "forget"),
            ("Bo", 0, "retain"),
            ("Bo", 1, "retain"),
        ]
        for name, number, split in rows:
            shown = Picture(picture(number), "image")
            yield Item(Place(path, 0), "Person", name, "Who is this?", name, shown, split)

    monkeypatch.setattr(FORMATS, "resolve", lambda _: read)
    (tmp_path / "source").mkdir()
    done = imported("tofu", tmp_path / "source")
    assert len(done.asked("Bo")) == 1
    assert done.facts["lost"] == {
        "questions on a picture that also shows something to be forgotten": 1
    }


def test_the_command_tells_what_was_assumed_and_lost(source: Path) -> None:
    out = source.parent / "out"
    called = call("data", "import", "huggingface", source, "--out", out, "--tasks", 2)
    assert called.code == 0, called.err
    assert "4 records of 4 entities in 2 tasks" in called.out
    assert "the original has no sequence: 2 tasks were drawn" in called.out
    assert f"Next: mlubench data check {out}" in called.out
    assert call("data", "check", out).code == 0
    stats = json.loads(call("data", "stats", out, "--json").out)
    assert stats["total"]["records"] == 4
    assert stats["total"]["image_paths"] == 0


def test_wrong_use_is_one_line(source: Path) -> None:
    out = source.parent / "out"
    assert "unknown format 'tofuu'" in call("data", "import", "tofuu", source, "--out", out).error
    missing = call("data", "import", "tofu", source.parent / "no", "--out", out)
    assert missing.code == 2
    assert "does not exist" in missing.error
    pair = call("data", "import", "tofu", source, "--out", out, "--column", "entity")
    assert "--column 'entity' is no pair" in pair.error
