"""Tests of `mlubench data review`, but for its page, which has tests of its own."""

import csv
import json
from pathlib import Path

import pytest

from mlubench.authoring.review.spreadsheet import COLUMNS
from mlubench.authoring.review.verdicts import LOG, read_log
from mlubench.authoring.rows import ItemRow, write_rows
from mlubench.cli.main import main


@pytest.fixture
def built(tmp_path: Path) -> Path:
    write_rows(
        tmp_path / "items.jsonl",
        [
            ItemRow(
                id=f"{n:02}",
                picture="pictures/Animals/Ox/1.jpg",
                entity="Animals/Ox",
                question="diet",
                phrasing=n,
                text="What does it eat?",
                answer="Grass.",
            )
            for n in range(3)
        ],
    )
    return tmp_path


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["data", "review", *words])
    return int(ended.value.code or 0)


def test_out_changed_and_in_again(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = built / "items.csv"
    assert run(str(built), "--export", str(sheet)) == 0
    rows = list(csv.DictReader(sheet.open(encoding="utf-8-sig")))
    rows[0]["verdict"], rows[1]["answer"] = "accepted", "Hay."
    with sheet.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    assert run(str(built), "--import", str(sheet), "--who", "Ann") == 0
    assert "1 accepted, 1 edited, 1 pending" in capsys.readouterr().out
    log = read_log(built / LOG)
    assert (log["01"].answer, log["01"].who) == ("Hay.", "Ann")
    assert run(str(built), "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"accepted": 1, "edited": 1, "pending": 1}


def test_what_is_no_build_and_what_is_no_csv(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(tmp_path / "none"), "--json") == 2
    assert "--until items" in capsys.readouterr().err
    (built / "bad.csv").write_text("id,answer,verdict\n99,x,accepted\n")
    assert run(str(built), "--import", str(built / "bad.csv")) == 1
    assert "no item '99'" in capsys.readouterr().err
    assert not (built / LOG).exists()
