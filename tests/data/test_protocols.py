"""The published protocol trains and tests on the same records; the held-out one keeps pictures apart."""

from collections import Counter

from mlubench.data.protocols import under_protocol
from mlubench.types import Benchmark


def test_held_out_leaves_the_benchmark_as_it_is(whole_benchmark: Benchmark) -> None:
    assert under_protocol(whole_benchmark, "held-out") is whole_benchmark
    for sample in whole_benchmark.samples:
        uses = (sample.trains, sample.calibrates, sample.tests)
        assert sum(uses) == 1


def test_published_uses_every_record_for_everything(whole_benchmark: Benchmark) -> None:
    published = under_protocol(whole_benchmark, "published")
    assert Counter(sample.role for sample in published.samples) == {
        "all": len(whole_benchmark.samples)
    }
    for sample in published.samples:
        assert sample.trains
        assert sample.calibrates
        assert sample.tests


def test_published_changes_nothing_but_the_roles(whole_benchmark: Benchmark) -> None:
    published = under_protocol(whole_benchmark, "published")
    assert published.digest == whole_benchmark.digest
    assert [task.name for task in published] == [task.name for task in whole_benchmark]
    before = [(s.id, s.split, s.truth, s.phrasing) for s in whole_benchmark.samples]
    after = [(s.id, s.split, s.truth, s.phrasing) for s in published.samples]
    assert after == before
