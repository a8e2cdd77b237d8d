"""`mlubench judge agreement` and `label` beside `mlubench judge RUN`."""

import io
import json
from pathlib import Path

import click
import pytest

from mlubench.cli.judge import label as judge_label
from mlubench.studies.labelling import read_sheet
from support.runs import call


def test_judges_of_a_run(copied: Path) -> None:
    assert call("judge", copied, "--judge", "rules", "--judge", "shuffled").code == 0
    called = call("judge", "agreement", copied, "--resamples", 50, "--json")
    assert called.code == 0, called.err
    (pair,) = json.loads(called.out)["pairs"]
    assert {pair["a"], pair["b"]} == {"rules", "shuffled"}
    assert sum(map(sum, pair["confusion"])) == pair["n"] > 20
    assert {row["method"] for row in pair["ranking"]["utility"]["methods"]} >= {"lumoe", "npo"}
    text = call("judge", "agreement", copied, "--resamples", 50).out
    assert "Kappa, quadratic↑" in text and "rules and shuffled" in text


def test_a_sheet_filled_in_by_hand(copied: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "labels.csv"
    called = call("judge", "label", copied, "--n", 10, "--out", sheet, "--sheet", "--json")
    assert json.loads(called.out) == {"sheet": str(sheet), "items": 10, "labelled": 0}
    sheet.write_text(sheet.read_text().replace(",\n", ",1\n").replace(",\r\n", ",1\r\n"))
    called = call(
        "judge",
        "agreement",
        copied,
        "--judge",
        "rules",
        "--labels",
        sheet,
        "--resamples",
        20,
        "--json",
    )
    assert called.code == 0, called.err
    (pair,) = json.loads(called.out)["pairs"]
    assert (pair["b"], pair["n"]) == ("human", 10)
    assert sum(row[1] for row in pair["confusion"]) == 10


def test_without_a_keyboard_the_sheet_is_written_and_said(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    called = call("judge", "label", copied, "--n", 3)
    assert called.code == 2
    assert "no keyboard" in called.error
    assert len(read_sheet(copied / "labels.csv")) == 3


def test_keys(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = iter(["x", "2", "s", "q"])
    monkeypatch.setattr(judge_label.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "getchar", lambda: next(keys))
    called = call("judge", "label", copied, "--n", 4)
    assert called.code == 0, called.err
    assert "1 of 4 labelled" in called.out and "'x' is no answer" in called.out
    assert [i.label for i in read_sheet(copied / "labels.csv")] == ["2", "skip", "", ""]
    assert all(name not in called.out for name in ("npo", "NPO", "lumoe", "LUMoE"))


def test_shipped_labels() -> None:
    facts = json.loads(call("judge", "agreement", "--shipped", "--resamples", 20, "--json").out)
    assert facts["halves"]["held-out"]["kappa_quadratic"]["value"] > 0.9
    assert "held-out half" in call("judge", "agreement", "--shipped", "--resamples", 20).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give either a RUN or --shipped"),
        (("--shipped", "--judge", "rulez"), "Did you mean 'rules'?"),
    ],
)
def test_wrong_use(words: tuple[str, ...], said: str) -> None:
    called = call("judge", "agreement", *words)
    assert called.code == 2
    assert said in called.error


def test_a_run_is_judged_as_before(copied: Path) -> None:
    assert call("judge", "--judge", "rules", copied, "--json").code == 0
    called = call("judge")
    assert called.code == 2
    assert "RUN" in called.error
    assert call("judge", "--help").out.count("agreement") >= 1
