"""Know, then unlearn: what the base gets wrong is dropped, with the reason."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.core.files import write_json
from mlubench.core.reading import read_json
from mlubench.experiment.know import know_filter, without
from mlubench.types import Benchmark, Sample

TRUTH = (
    "It weighs 731 tonnes and belongs to Queen Zanzibara."  # what no base here has ever been taught
)


def change(benchmark: Benchmark, how: Callable[[Sample], Sample]) -> Benchmark:
    return replace(
        benchmark,
        tasks=tuple(
            replace(t, forget=tuple(map(how, t.forget)), retain=tuple(map(how, t.retain)))
            for t in benchmark
        ),
    )


def test_what_the_base_gets_wrong_is_dropped_with_its_reason(
    context: Callable, benchmark: Benchmark, tmp_path: Path
) -> None:
    task = benchmark.task("A")
    wrong, blind = sorted({s.fact for s in task.forget})[:2]
    entity = next(s.entity for s in task.forget if s.fact == wrong)
    whose = {s.fact: s.entity.key for s in benchmark.samples}

    def how(sample: Sample) -> Sample:
        if sample.fact == wrong:
            return replace(sample, truth=TRUTH)
        if sample.fact == blind and sample.role == "calibrate":
            return replace(sample, role="fit")
        return sample

    ctx = context(tmp_path, change(benchmark, how))
    kept = know_filter(ctx)
    facts, left = {s.fact for s in benchmark.samples}, {s.fact for s in kept.samples}
    found = read_json(tmp_path / "know.json", dict)
    dropped = {row["fact"]: row for row in found["dropped"]}
    assert left == facts - set(dropped)
    assert {wrong, blind} <= set(dropped)
    assert len(dropped) <= 2 + len(facts) // 10  # the base knows nearly all of the rest
    assert (dropped[wrong]["why"], dropped[blind]["why"]) == (
        "the base does not know it",
        "no calibration picture",
    )
    assert dropped[wrong]["score"] < found["min_score"]
    assert dropped[wrong]["n"] == sum(
        s.fact == wrong and s.role == "calibrate" for s in benchmark.samples
    )
    assert (dropped[blind]["score"], dropped[blind]["n"]) == (None, 0)
    assert (dropped[wrong]["truth"], dropped[wrong]["split"], dropped[wrong]["task"]) == (
        TRUTH,
        "forget",
        "A",
    )
    assert (found["facts"], found["kept"]) == (len(facts), len(left))
    of_entity = [fact for fact, key in whose.items() if key == entity.key]
    assert found["drop_rates"]["entity"][entity.key] == pytest.approx(
        sum(fact in dropped for fact in of_entity) / len(of_entity), abs=1e-4
    )
    assert found["drop_rates"]["class"][entity.cls] > 0
    assert set(found["drop_rates"]["entity"]) == set(whose.values())


def test_what_was_found_once_is_kept(
    context: Callable, benchmark: Benchmark, tmp_path: Path
) -> None:
    """A run that goes on must filter as it began, so the file decides."""
    ctx = context(tmp_path)
    know_filter(ctx)
    found = read_json(tmp_path / "know.json", dict)
    fact = benchmark.task("B").retain[0].fact
    found["dropped"].append({"fact": fact})
    write_json(tmp_path / "know.json", found)
    assert fact not in {s.fact for s in know_filter(ctx).samples}


def test_without_the_filter_nothing_is_asked(
    context: Callable, benchmark: Benchmark, tmp_path: Path
) -> None:
    ctx = context(tmp_path)
    off = ctx.config.model_copy(
        update={"know": ctx.config.know.model_copy(update={"enabled": False})}
    )
    assert know_filter(replace(ctx, config=off)) is ctx.benchmark
    assert list(tmp_path.iterdir()) == []


def test_without_takes_all_samples_of_the_facts_and_no_other(benchmark: Benchmark) -> None:
    gone = {benchmark.task("A").forget[0].fact, benchmark.task("B").retain[0].fact}
    kept = without(benchmark, gone)
    assert [s for s in benchmark.samples if s.fact not in gone] == kept.samples
    assert without(benchmark, set()) == benchmark


@pytest.mark.parametrize("split", ["forget", "retain"])
def test_an_empty_split_is_an_error(benchmark: Benchmark, split: str) -> None:
    facts = {s.fact for s in benchmark.task("B").split(split)}  # type: ignore[arg-type]
    with pytest.raises(MlubenchError, match=rf"no fact of task B's {split} set.*know\.min_score"):
        without(benchmark, facts)
    one = without(benchmark, facts - {min(facts)})
    assert {s.fact for s in one.task("B").split(split)} == {min(facts)}  # type: ignore[arg-type]
