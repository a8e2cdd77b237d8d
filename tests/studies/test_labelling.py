"""Sheets for people: blind, the same for the same seed, kept after every key, and read back as they were filled in."""

import csv
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import write_atomic
from mlubench.runs.folder import RunDir
from mlubench.runs.rows import write_answers
from mlubench.studies.labelling import (
    COLUMNS,
    Item,
    label_items,
    labels_of,
    read_sheet,
    sample_items,
    write_sheet,
)
from support.rows import answer_row

ITEMS = [Item(f"i{n}", "utility", "A/b", "What?", "so", f'say "{n}",\nplease') for n in range(4)]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Answers of three methods, of which one gives the same answer to everything."""
    folder = RunDir(tmp_path)
    for method in ("base", "ga", "lumoe", "lumoe+oracle"):
        (tmp_path / "answers" / method).mkdir(parents=True)
        rows = [
            answer_row(
                id=f"s{n}",
                split=split,
                response="the the" if method == "ga" else f"{method} says {n}",
            )
            for n in range(10)
            for split in ("forget", "retain")
        ]
        write_answers(folder.answers(method, "A", "A"), rows)
    return folder


def test_a_sheet_is_blind_mixed_and_repeatable(run: RunDir) -> None:
    items = sample_items(run, 12, seed=1)
    assert items == sample_items(run, 12, seed=1) != sample_items(run, 12, seed=2)
    assert len({i.item for i in items}) == len(items) == 12
    assert {i.metric for i in items} == {"utility", "forget_quality"}
    assert (
        sum(i.response == "the the" for i in items) == 2
    )  # once for each metric, however often it was said
    assert not any("oracle" in i.response for i in items)
    assert not {"method", "task", "after", "id"} & set(COLUMNS)
    responses = [i.response for i in items]
    assert responses != sorted(responses)


def test_fewer_answers_than_asked_for_and_none(run: RunDir, tmp_path: Path) -> None:
    assert len(sample_items(run, 1000, seed=0)) == 2 + 2 * 20
    with pytest.raises(MlubenchError, match="holds no answers yet"):
        sample_items(RunDir(tmp_path / "nowhere"), 5, seed=0)


def test_a_sheet_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    items = [
        replace(i, label=label) for i, label in zip(ITEMS, ("0", "2", "skip", ""), strict=True)
    ]
    write_sheet(path, items)
    assert read_sheet(path) == items
    assert labels_of(items) == {"i0": 0, "i1": 2}
    write_atomic(path, "\ufeff" + path.read_text())  # as spreadsheets save it
    assert read_sheet(path) == items


@pytest.mark.parametrize(
    ("change", "said"),
    [({"label": "3"}, "row 2: label '3'"), ({"label": "two"}, "label 'two'")],
)
def test_a_wrong_label_is_named(tmp_path: Path, change: dict[str, str], said: str) -> None:
    path = tmp_path / "labels.csv"
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        writer.writerow(asdict(ITEMS[0]) | change)
    with pytest.raises(UsageError, match=said):
        read_sheet(path)


def test_what_is_no_sheet_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a file"):
        read_sheet(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="row 2 lacks item, metric"):
        read_sheet(tmp_path / "other.csv")
    (tmp_path / "bytes.csv").write_bytes(b"a,\xff\n")
    with pytest.raises(UsageError, match="no CSV in UTF-8"):
        read_sheet(tmp_path / "bytes.csv")


def test_keys_label_skip_go_back_and_stop() -> None:
    keys, saved, asked = iter("2sb1q"), [], []

    def ask(item: Item, at: int) -> str:
        asked.append(at)
        return next(keys)

    items = label_items(ITEMS, ask, lambda now: saved.append([i.label for i in now]))
    assert asked == [0, 1, 2, 1, 2]
    assert [i.label for i in items] == ["2", "1", "", ""]
    assert saved == [["2", "", "", ""], ["2", "skip", "", ""], ["2", "1", "", ""]]
    resumed: list[int] = []
    done = label_items(items, lambda item, at: resumed.append(at) or "0", lambda now: None)
    assert resumed == [2, 3]
    assert [i.label for i in done] == ["2", "1", "0", "0"]
