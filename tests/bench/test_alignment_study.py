"""The alignment study's program: what its tables keep, and a short run of it from the command line."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from support.paths import BENCH


def test_tables_take_the_place_of_older_ones_alone(tmp_path: Path) -> None:
    from alignment_tables import replace_section

    page = tmp_path / "page.md"
    replace_section(page, "toy", "old")
    replace_section(page, "smoke", "other")
    page.write_text(page.read_text().replace("# Alignment\n", "# Alignment\n\nWhat they say.\n"))
    replace_section(page, "toy", "new")
    assert page.read_text() == (
        "# Alignment\n\nWhat they say.\n\n<!-- toy: begin -->\nnew\n<!-- toy: end -->\n\n"
        "<!-- smoke: begin -->\nother\n<!-- smoke: end -->\n"
    )


def test_a_setting_without_rates_is_not_run_at_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import alignment

    monkeypatch.setattr(alignment, "RATES", tmp_path / "rates.yaml")
    alignment.RATES.write_text("toy: {seen-language: {ga: 0.1, po: 0.2}, blind-vision: {}}")
    args = Namespace(preset="toy", methods=["po"])
    assert alignment.rates_for(args, "seen", "language") == {"po": 0.2}
    assert alignment.rates_for(args, "blind", "vision") == {}
    for setting, methods in ((("seen", "vision"), ["po"]), (("seen", "language"), ["po", "npo"])):
        with pytest.raises(MlubenchError, match="Run this with --choose-lr first"):
            alignment.rates_for(Namespace(preset="toy", methods=methods), *setting)


@pytest.mark.slow
def test_the_short_study(tmp_path: Path, cache: Path) -> None:
    short = [
        "--quick",
        "--methods",
        "po",
        "lumoe",
        "-s",
        "benchmark.order=[A]",
        "-s",
        "device=cpu",
        "--resamples",
        "200",
    ]
    words = [
        str(BENCH / "alignment.py"),
        *short,
        "--work",
        str(tmp_path),
        "--out",
        str(tmp_path / "page.md"),
    ]
    done = subprocess.run(
        [sys.executable, *words, "--json"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ},
        timeout=500,
    )
    found = json.loads(done.stdout)
    assert [(r["images"], r["scope"]) for r in found["refused"]] == [("blind", "vision")]
    means = {
        tuple(r[k] for k in ("images", "scope", "method", "measure")): r["mean"]
        for r in found["rows"]
    }
    assert {k[:2] for k in means} == {
        ("", ""),
        ("seen", "language"),
        ("seen", "vision"),
        ("blind", "language"),
    }
    assert means["", "", "base", "gap_wrong"] > 0.8
    assert means["seen", "language", "po", "projector_cka"] == pytest.approx(1)
    assert means["seen", "vision", "po", "projector_cosine_forget"] < 0.95
    page = (tmp_path / "page.md").read_text()
    assert "`blind` x `vision` cannot be trained" in page
    assert page.count("| seen | vision | lumoe |") == 7
