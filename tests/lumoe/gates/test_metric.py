"""The gate that other things have taught: right experts, few strangers, and a forecast of what it will miss."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mlubench.core.errors import MlubenchError
from mlubench.data.evasion import side_by_side
from mlubench.data.pictures import open_picture
from mlubench.data.strangers import draw_strangers, drawn_entities, drawn_picture
from mlubench.lumoe.gates.base import GateQuery, statement_of
from mlubench.lumoe.gates.metric import MetricGate, conformal_threshold
from mlubench.models.features import FeatureCache
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Entity, Sample


@pytest.fixture
def features(mllm) -> FeatureCache:
    return FeatureCache(mllm)


def fitted(benchmark: Benchmark, features: FeatureCache, **settings: object) -> MetricGate:
    gate = MetricGate()
    gate.fit(benchmark.tasks, benchmark, features, GateConfig.model_validate(settings))
    return gate


def pictures(benchmark: Benchmark, split: str, role: str = "test") -> list[Sample]:
    """One sample a picture."""
    found = [s for t in benchmark for s in t.split(split) if s.role == role]
    return list({s.image: s for s in found}.values())


def queries(benchmark: Benchmark, samples: Sequence[Sample]) -> list[GateQuery]:
    return [GateQuery(benchmark.picture(s), s.question) for s in samples]


def test_held_out_pictures_reach_their_expert_and_retain_ones_the_base(
    whole_benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(whole_benchmark, features)
    forget = pictures(whole_benchmark, "forget")
    routes = gate.route(queries(whole_benchmark, forget), features)
    right = [
        r.experts == (s.task,) and r.entity == s.entity.key
        for s, r in zip(forget, routes, strict=True)
    ]
    assert len(right) > 15
    assert sum(right) >= 0.97 * len(right)
    assert all(r.score > 0 and ">" in r.why for r in routes if r.experts)
    retain = pictures(whole_benchmark, "retain")
    kept = gate.route(queries(whole_benchmark, retain), features)
    assert len(kept) > 10
    assert not any(r.experts for r in kept)
    assert all(r.entity is None and r.score <= 0 for r in kept)


def test_few_strangers_and_entities_of_later_tasks_reach_an_expert(
    whole_benchmark: Benchmark, benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    """Of neither was the gate told anything, and the base knows the latter."""
    gate = fitted(benchmark, features)
    strangers = drawn_entities(["Animals", "Plants"], 5)
    draw_strangers(strangers, tmp_path)
    asked = [GateQuery(drawn_picture(tmp_path, entity), "Who?") for entity in strangers]
    assert sum(bool(r.experts) for r in gate.route(asked, features)) <= 2
    later = replace(whole_benchmark, tasks=whole_benchmark.tasks[2:])
    samples = pictures(later, "forget") + pictures(later, "retain")
    routes = gate.route(queries(later, samples), features)
    assert len(routes) > 15
    assert sum(bool(r.experts) for r in routes) <= 0.1 * len(routes)


def test_its_promise_on_its_own_background_is_kept(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    for share in (0.01, 0.05):
        gate = fitted(benchmark, features, strangers=share)
        assert gate.learned is not None
        over = gate.scores(gate.learned.strangers).highest > gate.threshold
        assert over.double().mean().item() == pytest.approx(share, abs=0.002)
        assert gate.stated.strangers == share
        assert gate.stated.background_pictures == len(over) == 4 * gate.stated.background_things


def test_the_threshold_is_the_quantile_that_conformal_prediction_asks_for() -> None:
    scores = torch.arange(100.0).flip(0)
    # Rank ceil(101 * 0.9) = 91 of 0, 1, 2, ...
    assert conformal_threshold(scores, 0.1) == 90
    # Of so few nothing lower than the largest can be stated.
    assert conformal_threshold(scores[:5], 0.01) == 99


def test_a_later_task_moves_no_earlier_request(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    first = MetricGate()
    first.fit(benchmark.tasks[:1], benchmark, features, GateConfig())
    both = fitted(benchmark, features)
    for number, entity in enumerate(first.entities):
        there = both.entities.index(entity)
        assert torch.equal(both.forget[there], first.forget[number])
    assert both.threshold >= first.threshold


def test_the_forecast_is_of_each_picture_left_out(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(benchmark, features)
    fit = pictures(benchmark, "forget", "fit") + pictures(benchmark, "forget", "calibrate")
    assert gate.stated.pictures == len(fit)
    assert set(gate.stated.requests) == set(gate.entities)
    assert gate.stated.leak is not None and gate.stated.leak <= 0.1
    key = gate.entities[0]
    # As if the request had been made of pictures of something else: each is missed when the others alone are known.
    torch.manual_seed(0)
    width = gate.forget.shape[1]
    apart = torch.nn.functional.normalize(torch.randn(4, 1, width), dim=2)
    forecast = gate._forecast(gate.entities.index(key), apart)
    assert (forecast.leak, forecast.pictures) == (1.0, 4)
    assert "would be missed" in forecast.problem
    alone = gate._forecast(0, apart[:1])
    assert alone.leak is None and "give eight" in alone.problem


def test_suspects_are_more_than_what_is_routed(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(benchmark, features, band=0.3)
    samples = pictures(benchmark, "forget") + pictures(benchmark, "retain")
    routes = gate.route(queries(benchmark, samples), features)
    assert all(route.entity in route.suspects for route in routes if route.experts)
    assert gate.suspicion is not None and gate.suspicion < gate.threshold
    none = fitted(benchmark, features, band=0)
    assert not any(r.suspects for r in none.route(queries(benchmark, samples), features))


def test_what_is_more_like_something_that_must_stay_is_suspected_of_nothing(
    whole_benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(whole_benchmark, features, band=0.5)
    retain = queries(whole_benchmark, pictures(whole_benchmark, "retain"))
    assert not any(route.suspects for route in gate.route(retain, features))
    gate.retain = gate.retain[:0]
    assert any(route.suspects for route in gate.route(retain, features))


def test_saved_and_loaded_it_routes_and_states_the_same(
    benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    gate, other = fitted(benchmark, features), MetricGate()
    gate.save(tmp_path)
    other.load(tmp_path)
    asked = queries(benchmark, pictures(benchmark, "forget") + pictures(benchmark, "retain"))
    assert other.route(asked, features) == gate.route(asked, features)
    assert len({r.experts for r in gate.route(asked, features)}) == 3  # A, B and the base
    assert statement_of(other) == gate.stated


def test_a_gate_of_another_vision_model_is_an_error(
    benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    gate = fitted(benchmark, features)
    gate.encoder_id = "0" * 64
    gate.save(tmp_path)
    other = MetricGate()
    other.load(tmp_path)
    with pytest.raises(MlubenchError, match="another vision model"):
        other.route(queries(benchmark, pictures(benchmark, "forget")[:1]), features)


def test_without_a_background_it_is_a_prototype_gate_and_states_nothing(
    benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    gate = fitted(replace(benchmark, background=""), features)
    assert gate.stated.strangers is None
    assert "No share" in gate.stated.in_words()
    asked = queries(benchmark, pictures(benchmark, "forget") + pictures(benchmark, "retain"))
    routes = gate.route(asked, features)
    assert len({r.experts for r in routes}) == 3
    gate.save(tmp_path)
    other = MetricGate()
    other.load(tmp_path)
    assert other.route(asked, features) == routes


def test_the_base_own_tower_can_look(benchmark: Benchmark, features: FeatureCache) -> None:
    """Photographs have no encoder of ours."""
    gate = fitted(replace(benchmark, stand_ins=False), features)
    assert gate.encoder == "tower"
    samples = pictures(benchmark, "forget")
    routes = gate.route(queries(benchmark, samples), features)
    assert any(r.experts for r in routes)


def test_it_never_reads_the_true_entity_nor_test_pictures(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(benchmark, features)
    asked = queries(benchmark, pictures(benchmark, "forget"))
    lied = [replace(q, entity=Entity("Plants", "Nothing")) for q in asked]
    assert gate.route(lied, features) == gate.route(asked, features)

    def untested(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
        return tuple(s for s in samples if s.role != "test")

    tasks = [replace(t, forget=untested(t.forget), retain=untested(t.retain)) for t in benchmark]
    other = fitted(replace(benchmark, tasks=tuple(tasks)), features)
    assert torch.equal(other.forget, gate.forget)
    assert other.threshold == gate.threshold


def test_without_a_picture_there_is_no_expert(benchmark: Benchmark, features: FeatureCache) -> None:
    gate = fitted(benchmark, features)
    seen = queries(benchmark, pictures(benchmark, "forget"))[:2]
    routes = gate.route([GateQuery(None, "Who?"), *seen, GateQuery(None, "Where?")], features)
    assert [bool(r.experts) for r in routes] == [False, True, True, False]
    assert routes[0].why == routes[3].why == "no picture"
    assert routes[1:3] == gate.route(seen, features)
    assert [r.experts for r in MetricGate().route(seen, features)] == [(), ()]


def test_two_things_in_one_picture_reach_both_experts_in_parts(
    benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    parts = fitted(benchmark, features, parts=True)
    whole = fitted(benchmark, features)
    first, second = (benchmark.picture(t.forget[0]) for t in benchmark.tasks)
    both = tmp_path / "both.png"
    side_by_side(open_picture(first), open_picture(second)).save(both)
    (route,) = parts.route([GateQuery(both, "Who?")], features)
    assert route.experts == ("A", "B")
    assert "in parts" in route.why
    (missed,) = whole.route([GateQuery(both, "Who?")], features)
    assert len(missed.experts) < 2
    # It is stricter for each look, so that the share of strangers stays what is stated.
    assert parts.threshold > whole.threshold
