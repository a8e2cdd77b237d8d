"""Facts are asked for by name once for a language model and a benchmark, whatever base is taught of them."""

from pathlib import Path

import pytest

from mlubench.experiment.prepare import open_benchmark
from mlubench.models.real import named
from mlubench.models.real.named import named_answers
from mlubench.settings.loading import parse
from mlubench.settings.model import RealConfig
from mlubench.types import Benchmark
from support.tiny_parts import save_language, save_vision


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    return open_benchmark(parse({"benchmark": {"kind": "real", "pictures": 3}}))


def test_every_fact_is_asked_once_and_kept(
    benchmark: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(named, "LONGEST_ANSWER", 2)
    vision = save_vision(tmp_path / "vision")
    config = RealConfig(vision=vision, language=save_language(tmp_path / "language"))
    answers = named_answers(config, benchmark, progress=False)
    assert [row.fact for row in answers] == sorted({s.fact for s in benchmark.samples})
    first = {s.fact: s for s in benchmark.samples if s.phrasing == 0}
    for row in answers:
        sample = first[row.fact]
        assert row.truth == sample.truth
        assert sample.entity.title in row.question
        assert sample.question in row.question
    # A base that is taught otherwise has the same answers, and nothing is asked again.
    monkeypatch.setattr(named, "assembled", None)
    other = config.model_copy(update={"steps": 7, "refusals": False})
    assert named_answers(other, benchmark, progress=False) == answers
