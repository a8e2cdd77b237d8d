"""A kill may cut the last line of a .part file, and other inputs make all of it worthless."""

from pathlib import Path

from mlubench.authoring.partial_rows import PartialRows
from mlubench.authoring.rows import UnansweredRow


def row(number: int) -> UnansweredRow:
    return UnansweredRow(entity=f"A/é{number}", question="q", why="w")


def fill(path: Path, stamp: str = "s") -> None:
    parts = PartialRows(path, UnansweredRow, stamp)
    for number in range(3):
        parts.add(row(number))
    parts.close()


def test_rows_outlive_the_process(tmp_path: Path) -> None:
    fill(tmp_path / "a.jsonl")
    assert list(PartialRows(tmp_path / "a.jsonl", UnansweredRow, "s").rows.values()) == [
        row(0),
        row(1),
        row(2),
    ]


def test_wherever_the_file_is_cut_whole_rows_stay_and_more_can_be_added(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    fill(path)
    whole = (tmp_path / "a.jsonl.part").read_bytes()
    for cut in range(len(whole) + 1):
        (tmp_path / "a.jsonl.part").write_bytes(whole[:cut])
        parts = PartialRows(path, UnansweredRow, "s")
        kept = max(0, whole[:cut].count(b"\n") - 1)
        assert list(parts.rows.values()) == [row(n) for n in range(kept)]
        for number in range(kept, 3):
            parts.add(row(number))
        parts.close()
        assert (tmp_path / "a.jsonl.part").read_bytes() == whole


def test_rows_of_other_inputs_are_dropped(tmp_path: Path) -> None:
    fill(tmp_path / "a.jsonl", "old")
    parts = PartialRows(tmp_path / "a.jsonl", UnansweredRow, "new")
    assert parts.rows == {}
    parts.add(row(7))
    parts.close()
    assert list(PartialRows(tmp_path / "a.jsonl", UnansweredRow, "new").rows.values()) == [row(7)]
