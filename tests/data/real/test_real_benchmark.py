"""The real benchmark as a release: sound, equal for equal seeds, and honest about which pictures are new."""

from pathlib import Path

import pytest

from mlubench.core.files import file_sha256
from mlubench.data import release
from mlubench.data.check import check
from mlubench.data.real.benchmark import write_annotations, write_real
from mlubench.experiment.plan.start import foresee_benchmark
from mlubench.experiment.prepare import open_benchmark
from mlubench.settings.benchmark import BenchmarkConfig
from mlubench.settings.loading import parse


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_real(0, tmp_path_factory.mktemp("real") / "benchmark", views=6)


def test_nothing_is_wrong_with_it(root: Path) -> None:
    assert check(root) == []


def test_another_authors_pictures_are_only_tested_on(root: Path) -> None:
    benchmark = release.read(root)
    others = [s for s in benchmark.samples if s.picture_kind == "other-photo"]
    assert {s.role for s in others} == {"test"}
    # Five buildings, an animal, and every logo.
    assert len({s.entity for s in others}) == 13
    same = [s for s in benchmark.samples if s.picture_kind == "same-photo"]
    assert len(same) + len(others) == len(benchmark.samples)
    of_one = {s.image: s.role for s in same if s.entity.name == "Eiffel_Tower"}
    assert sorted(of_one.values()) == ["calibrate", "fit", "fit", "fit", "test", "test"]


def test_a_seed_draws_the_views(root: Path, tmp_path: Path) -> None:
    again = write_real(0, tmp_path / "again", views=6)
    other = write_real(1, tmp_path / "other", views=6)
    view = "downloaded_images/Animals/Koala/view_01.jpg"
    assert file_sha256(root / view) == file_sha256(again / view)
    assert file_sha256(root / view) != file_sha256(other / view)


def test_annotations_alone_say_the_same(root: Path, tmp_path: Path) -> None:
    write_annotations(tmp_path, views=6)
    assert release.read(tmp_path).digest == release.read(root).digest


def test_credits_travel_with_the_pictures(root: Path) -> None:
    assert "commons.wikimedia.org" in (root / "ATTRIBUTION.csv").read_text(encoding="utf-8")


def test_a_run_opens_it_and_a_dry_run_foresees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path))
    settings = BenchmarkConfig(kind="real", pictures=3)
    foreseen, missing = foresee_benchmark(settings)
    assert foreseen is not None and missing == []
    opened = open_benchmark(parse({"benchmark": {"kind": "real", "pictures": 3}}))
    assert opened.digest == foreseen.digest
    assert not opened.stand_ins
    assert all(opened.picture(sample).is_file() for sample in opened.samples)
