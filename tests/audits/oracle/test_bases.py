"""The oracle never sees what is forgotten, shares all else with the base, and is refused where none can be made."""

from pathlib import Path

import pytest

from mlubench.audits.oracle import bases
from mlubench.audits.oracle.bases import oracle_base
from mlubench.core.errors import UsageError
from mlubench.models.toy import base as toy
from mlubench.models.toy.lessons import Lessons
from mlubench.settings.loading import load
from mlubench.settings.model import RealConfig
from mlubench.settings.run import Config
from mlubench.types import Benchmark

TINY = ("model.toy.steps=1", "model.toy.sight_epochs=0", "model.toy.pictures=4", "device=cpu")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Config:
    """A base that is made in seconds, in a cache of its own."""
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))
    return load("smoke", TINY)


def test_lessons_hold_nothing_of_what_is_forgotten(
    config: Config, whole_benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[Lessons] = []
    make = toy.make_lessons

    def noted(*given: object) -> Lessons:
        taught.append(make(*given))  # type: ignore[arg-type]
        return taught[-1]

    monkeypatch.setattr(toy, "make_lessons", noted)
    folder = oracle_base(config, whole_benchmark, ["A", "B"])
    forgotten = whole_benchmark.task("A").forget + whole_benchmark.task("B").forget
    secrets = {sample.truth for sample in forgotten}
    secrets -= {s.truth for task in whole_benchmark for s in task.retain}
    secrets -= {s.truth for name in "CD" for s in whole_benchmark.task(name).forget}
    assert secrets
    assert not secrets & {lesson.answer for lesson in taught[0].lessons}
    kept = {sample.truth for sample in whole_benchmark.task("A").retain}
    assert kept <= {lesson.answer for lesson in taught[0].lessons}
    # It is found again, and another step's is another.
    assert oracle_base(config, whole_benchmark, ["A", "B"]) == folder
    assert len(taught) == 1
    other = oracle_base(config, whole_benchmark, ["A", "B"], other_seed=True)
    assert other != folder
    # The same words of the tokenizer, so that probabilities can be compared.
    names = [place / "tokenizer.json" for place in (folder, other)]
    assert names[0].read_bytes() == names[1].read_bytes()


def test_the_real_base_is_taught_without_what_is_forgotten(
    whole_benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[RealConfig, Benchmark]] = []

    def noted(settings: RealConfig, benchmark: Benchmark, *, device: str) -> Path:
        given.append((settings, benchmark))
        return Path("taught")

    monkeypatch.setattr(bases, "real_base", noted)
    config = load("real")
    oracle_base(config, whole_benchmark, ["A", "B"])
    oracle_base(config, whole_benchmark, ["A", "B"], other_seed=True)
    forgotten = {entity for name in "AB" for entity in whole_benchmark.task(name).forget_entities}
    everybody = {sample.entity for sample in whole_benchmark.samples}
    (settings, taught), (other_settings, same) = given
    assert {sample.entity for sample in taught.samples} == everybody - forgotten
    assert taught == same
    assert taught.digest != whole_benchmark.digest
    assert (settings.seed, other_settings.seed) == (0, 1)


def test_a_base_that_was_not_taught_here_has_no_oracle(whole_benchmark: Benchmark) -> None:
    config = load("smoke", ["model.path=some/model"])
    with pytest.raises(UsageError, match="was not taught here"):
        oracle_base(config, whole_benchmark, ["A"])


def test_a_run_that_forgets_single_facts_has_no_oracle(whole_benchmark: Benchmark) -> None:
    config = load("smoke", ["benchmark.forget_share=0.5"])
    with pytest.raises(UsageError, match="some facts of each"):
        oracle_base(config, whole_benchmark, ["A"])
