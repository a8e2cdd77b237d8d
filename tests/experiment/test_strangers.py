"""Where a run's strangers are from: a folder, the background of the real benchmark, or the drawing of the world."""

from dataclasses import replace
from pathlib import Path

from PIL import Image

from mlubench.data.pictures import open_picture
from mlubench.data.real.strangers import unseen_strangers
from mlubench.data.strangers import DRAWN
from mlubench.experiment.strangers import NO_STRANGERS, open_strangers
from mlubench.settings.benchmark import BenchmarkConfig
from mlubench.types import Benchmark
from support.runs import Finished


def test_a_drawn_world_has_drawn_strangers(whole_benchmark: Benchmark) -> None:
    strangers = open_strangers(BenchmarkConfig(), whole_benchmark)
    assert len(strangers.found) == DRAWN
    for stranger in strangers.found:
        assert open_picture(stranger.picture).size == (96, 96)
    # Found again, not drawn again.
    before = strangers.found[0].picture.stat().st_mtime_ns
    assert open_strangers(BenchmarkConfig(), whole_benchmark) == strangers
    assert strangers.found[0].picture.stat().st_mtime_ns == before


def test_the_real_benchmark_has_its_background(whole_benchmark: Benchmark) -> None:
    strangers = open_strangers(BenchmarkConfig(kind="real"), whole_benchmark)
    assert [stranger.entity for stranger in strangers.found] == unseen_strangers()
    assert all(open_picture(stranger.picture) for stranger in strangers.found)


def test_a_release_of_photographs_has_those_of_a_folder(
    whole_benchmark: Benchmark, tmp_path: Path
) -> None:
    photographs = replace(whole_benchmark, stand_ins=False)
    release = BenchmarkConfig(kind="release", root=tmp_path)
    none = open_strangers(release, photographs)
    assert (none.found, none.why_none) == ((), NO_STRANGERS)
    Image.new("RGB", (32, 32)).save(tmp_path / "teapot.png")
    named = release.model_copy(update={"strangers": tmp_path})
    (stranger,) = open_strangers(named, photographs).found
    assert stranger.picture == tmp_path / "teapot.png"


def test_every_gate_of_a_run_is_asked_about_them(finished: Finished) -> None:
    gates = finished.results["gates"]
    assert gates
    for row in gates:
        assert row["stranger_rate_n"] == DRAWN
        low, high = row["stranger_rate_ci95"]
        assert low <= row["stranger_rate"] <= high
    rates = {(row["gate"], row["after"]): row["stranger_rate"] for row in gates}
    # It is told that nobody asked for them, and no question names one.
    assert rates["oracle", "B"] == rates["mention", "B"] == 0
