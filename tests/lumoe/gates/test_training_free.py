"""The gate without training: its threshold by hand and in the long run, on real pictures, and how names are read."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from mlubench.lumoe.gates.base import GateQuery
from mlubench.lumoe.gates.training_free import SAME, TrainingFreeGate, threshold_of_examples
from mlubench.models.features import FeatureCache
from mlubench.models.mllm import MLLM
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route
from support.gate_queries import queries


@pytest.fixture
def features(mllm: MLLM) -> FeatureCache:
    return FeatureCache(mllm)


@pytest.fixture
def gate(benchmark: Benchmark, features: FeatureCache) -> TrainingFreeGate:
    return taken(benchmark, features, "A")


def taken(benchmark: Benchmark, features: FeatureCache, *tasks: str) -> TrainingFreeGate:
    gate = TrainingFreeGate()
    for name in tasks:
        gate.take(benchmark.task(name), benchmark, features, GateConfig())
    return gate


def routes(
    gate: TrainingFreeGate, asked: list[GateQuery], features: FeatureCache
) -> list[tuple[str, ...]]:
    return [route.experts for route in gate.route(asked, features)]


def test_the_threshold_is_the_least_leave_one_out_likeness() -> None:
    rows = F.normalize(torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]).double(), dim=1)
    # Each end is at 45 degrees to the middle, which is the likest to both.
    assert threshold_of_examples(rows) == pytest.approx(0.5**0.5)
    far = torch.cat([rows, -rows[:1]])
    # The last example is at a right angle to the likest of the others.
    assert threshold_of_examples(far) == pytest.approx(0.0)


def test_one_example_lets_a_copy_alone_be_a_hit() -> None:
    assert threshold_of_examples(torch.tensor([[1.0, 0.0]])) == SAME < 1


@pytest.mark.parametrize("count", [3, 7])
def test_a_new_picture_is_missed_no_more_often_than_stated(count: int) -> None:
    rng = torch.Generator().manual_seed(count)
    trials = 4000
    missed = 0
    for _ in range(trials):
        rows = torch.randn(count + 1, 4, generator=rng).double() + 1
        *_, new = rows = F.normalize(rows, dim=1)
        examples = rows[:-1]
        missed += bool((examples @ new).max() < threshold_of_examples(examples))
    stated = 1 / (count + 1)
    # Three standard deviations of so many trials.
    assert missed / trials <= stated + 3 * (stated * (1 - stated) / trials) ** 0.5
    # And it is no empty promise: at a much higher threshold more would be missed.
    assert missed > 0


def test_examples_and_test_pictures_of_a_request_are_hits_and_what_stays_is_not(
    gate: TrainingFreeGate, benchmark: Benchmark, features: FeatureCache
) -> None:
    task = benchmark.task("A")
    learned_from = [sample for sample in task.forget if not sample.only_tests]
    assert set(routes(gate, queries(benchmark, learned_from), features)) == {("A",)}
    tested = [sample for sample in task.forget if sample.tests]
    hit = [bool(found) for found in routes(gate, queries(benchmark, tested), features)]
    assert sum(hit) / len(hit) > 0.7
    kept = [sample for sample in task.retain if sample.tests]
    stopped = [bool(found) for found in routes(gate, queries(benchmark, kept), features)]
    assert sum(stopped) / len(stopped) < 0.3


def test_a_name_in_the_question_is_a_hit_without_any_picture(
    gate: TrainingFreeGate, benchmark: Benchmark, features: FeatureCache
) -> None:
    name = benchmark.task("A").forget_entities[0].title
    asked = [GateQuery(None, f"Where was {name} seen?"), GateQuery(None, "Where was it seen?")]
    assert routes(gate, asked, features) == [("A",), ()]


def test_a_task_more_changes_no_threshold(
    gate: TrainingFreeGate, benchmark: Benchmark, features: FeatureCache
) -> None:
    both = taken(benchmark, features, "A", "B")
    before = {request.entity: request.threshold for request in gate.requests}
    after = {request.entity: request.threshold for request in both.requests}
    assert before.items() < after.items()


def test_test_pictures_are_no_examples(benchmark: Benchmark, features: FeatureCache) -> None:
    seen: list[object] = []

    def watched(pictures):
        seen.extend(pictures)
        return features(pictures)

    gate = TrainingFreeGate()
    gate.take(benchmark.task("A"), benchmark, watched, GateConfig())
    tested = {benchmark.picture(s) for s in benchmark.task("A").forget if s.only_tests}
    assert seen
    assert not tested & set(seen)


def test_before_any_request_nothing_is_a_hit(benchmark: Benchmark, features: FeatureCache) -> None:
    asked = queries(benchmark, benchmark.task("A").forget[:1])
    assert TrainingFreeGate().route(asked, features) == [
        Route((), None, 0.0, "picture: no examples; text: no name in the question")
    ]


def test_where_all_is_asked_in_words_names_alone_are_read(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    task = benchmark.task("A")
    in_words = replace(task, forget=tuple(replace(sample, image="") for sample in task.forget))
    gate = TrainingFreeGate()
    assert gate.take(in_words, benchmark, features, GateConfig()) == []
    name = task.forget_entities[0].title
    asked = [
        GateQuery(None, f"Who is {name}?"),
        *queries(benchmark, benchmark.task("A").forget[:1]),
    ]
    assert routes(gate, asked, features) == [("A",), ()]
