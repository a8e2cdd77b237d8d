"""`mlubench report`: table, page and figures of runs that are there."""

import json
from pathlib import Path
from shutil import copytree

from support.runs import Finished, call


def test_the_page_is_written_again(copied: Path) -> None:
    (copied / "report.html").unlink()
    called = call("report", copied)
    assert called.code == 0
    assert "LUMoE" in called.out
    assert str(copied / "report.html") in called.err
    page = (copied / "report.html").read_text()
    assert "A-UB" in page
    assert "stand-ins" in page


def test_json_is_results_json(copied: Path) -> None:
    called = call("report", copied, "--json")
    assert json.loads(called.out) == json.loads((copied / "results.json").read_text())


def test_figures_are_saved_where_asked(copied: Path, tmp_path: Path) -> None:
    assert call("report", copied, "--figures", tmp_path / "figures").code == 0
    found = list((tmp_path / "figures").glob("*.png"))
    assert found
    assert all(f.read_bytes().startswith(b"\x89PNG") for f in found)


def test_several_runs_each_get_their_page(finished: Finished, copied: Path, tmp_path: Path) -> None:
    other = copytree(finished.folder, tmp_path / "other")
    for folder in (copied, other):
        (folder / "report.html").unlink()
    called = call("report", copied, other)
    assert called.code == 0
    assert (copied / "report.html").is_file()
    assert (other / "report.html").is_file()
    assert called.out.count("preset smoke") == 2


def test_a_run_without_results_says_what_to_do(copied: Path) -> None:
    (copied / "results.json").unlink()
    called = call("report", copied)
    assert called.code == 1
    assert "results.json does not exist" in called.error
    (copied / "results.json").write_text('{"cells": [')
    assert call("report", copied).code == 1
