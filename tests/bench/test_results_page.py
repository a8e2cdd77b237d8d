"""The folder of results is written from runs alone, and what a person wrote in its page stays."""

import json
from pathlib import Path

from click.testing import CliRunner

from results_page import FIRST_MARK, LAST_MARK, main
from support.seed_runs import falling, steady, write_run

LEVELS = {"ga": falling(0.9, 0.1), "lumoe": steady(0.95)}


def test_one_command_writes_page_figures_and_json(tmp_path: Path) -> None:
    runs = []
    for seed in range(2):
        runs.append(str(write_run(tmp_path / f"real-{seed}", LEVELS, seed=seed)))
    vision = ("train.scope=vision",)
    beside = str(write_run(tmp_path / "vision", {"ga": steady(0.5)}, settings=vision))
    out = tmp_path / "out"
    words = [*runs, "--beside", beside, "--out", str(out)]
    done = CliRunner().invoke(main, [*words, "--json"])
    assert done.exit_code == 0, done.output
    sizes = json.loads(done.output)["bytes"]
    assert set(sizes) == {"README.md", "results.json", "heatmaps.png", "decay.png"}
    assert sizes["heatmaps.png"] + sizes["decay.png"] < 300_000
    page = (out / "README.md").read_text(encoding="utf-8")
    assert "seeds 0, 1" in page
    assert "| GA | 0.900<br>0.90–0.90 | 0.100†<br>0.10–0.10 | 0.100†<br>0.10–0.10 |" in page
    assert "Changing vision alone harms more than language alone" in page
    assert str(tmp_path) not in page
    kept = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert [seed["run"]["seed"] for seed in kept["seeds"]] == [0, 1]
    assert ["ga", "A", "B", "utility", 0.1] in kept["seeds"][0]["cells"]
    assert kept["claims"]["rows"]

    mine = page.replace(f"{FIRST_MARK}\n", f"{FIRST_MARK}\nGA decays.\n")
    (out / "README.md").write_text(mine, encoding="utf-8")
    assert CliRunner().invoke(main, words).exit_code == 0
    assert (out / "README.md").read_text(encoding="utf-8") == mine
    assert LAST_MARK in mine


def test_runs_of_two_settings_are_refused(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", LEVELS)
    other = write_run(tmp_path / "other", LEVELS, settings=("train.scope=vision",))
    done = CliRunner().invoke(main, [str(one), str(other), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "not seeds of one preset" in done.output
