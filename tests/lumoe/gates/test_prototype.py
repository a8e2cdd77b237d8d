"""The local gate on real features: right experts for pictures it never saw, and a threshold set on held-out ones."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.gates.base import GateQuery
from mlubench.lumoe.gates.prototype import (
    PrototypeGate,
    held_out_margins,
    margins,
    margins_of_all,
    state_of,
    whitening,
)
from mlubench.models.features import FeatureCache
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Entity, Sample
from support.gate_queries import (
    asked_of_all,
    pictures,
    queries,
    right_share,
    routed_share,
    without_role,
)


@pytest.fixture
def features(mllm) -> FeatureCache:
    return FeatureCache(mllm)


def fitted(benchmark: Benchmark, features: Callable, **settings: float) -> PrototypeGate:
    gate = PrototypeGate()
    gate.fit(benchmark.tasks, benchmark, features, GateConfig(**settings))
    return gate


def moved(
    benchmark: Benchmark, features: Callable, role: str
) -> Callable[[Sequence[Path]], Tensor]:
    """The same features, but for pictures of one role, which get other ones."""
    touched = {benchmark.picture(s) for s in benchmark.samples if s.role == role}
    dice = torch.Generator().manual_seed(0)
    noise = {path: torch.randn(10_000, generator=dice) for path in sorted(touched)}

    def answer(paths: Sequence[Path]) -> Tensor:
        rows = features(paths).clone()
        width = rows.shape[1]
        for place, path in enumerate(paths):
            if path in noise:
                rows[place] += noise[path][:width] / width**0.5
        return rows

    return answer


def test_held_out_pictures_reach_their_expert(
    whole_benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(whole_benchmark, features)
    samples = pictures(whole_benchmark, "forget")
    routes = gate.route(queries(whole_benchmark, samples), features)
    assert len(routes) > 15
    assert right_share(samples, routes) >= 0.95
    assert all(route.score > 0 and ">" in route.why for route in routes if route.experts)


def test_retain_pictures_stay_with_the_base(
    whole_benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(whole_benchmark, features)
    samples = pictures(whole_benchmark, "retain")
    routes = gate.route(queries(whole_benchmark, samples), features)
    assert len(routes) > 10
    assert routed_share(routes) <= 0.15
    left = [route for route in routes if not route.experts]
    assert all(route.entity is None and route.score <= 0 for route in left)


def test_entities_of_other_tasks_are_mostly_left_alone(
    whole_benchmark: Benchmark, benchmark: Benchmark, features: FeatureCache
) -> None:
    """Of C and D the gate was told nothing: only the threshold keeps them from an expert."""
    gate = fitted(benchmark, features)
    later = replace(whole_benchmark, tasks=whole_benchmark.tasks[2:])
    routes = gate.route(asked_of_all(later), features)
    assert len(routes) > 15
    assert routed_share(routes) <= 0.3


def test_saved_and_loaded_it_routes_the_same(
    benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    gate, other = fitted(benchmark, features), PrototypeGate()
    gate.save(tmp_path)
    other.load(tmp_path)
    asked = asked_of_all(benchmark)
    assert other.route(asked, features) == gate.route(asked, features)
    assert len({r.experts for r in gate.route(asked, features)}) == 3  # A, B and the base


def test_a_query_is_routed_alike_alone_and_among_others(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(benchmark, features)
    asked = asked_of_all(benchmark)
    together = gate.route(asked, features)
    alone = [gate.route([q], features)[0] for q in asked]
    assert [r.experts for r in alone] == [r.experts for r in together]
    assert [r.score for r in alone] == pytest.approx([r.score for r in together], abs=1e-4)


def test_it_never_reads_the_true_entity(benchmark: Benchmark, features: FeatureCache) -> None:
    gate = fitted(benchmark, features)
    asked = queries(benchmark, pictures(benchmark, "forget"))
    lied = [replace(q, entity=Entity("Plants", "Nothing")) for q in asked]
    assert gate.route(lied, features) == gate.route(asked, features)


def test_without_a_picture_there_is_no_expert(benchmark: Benchmark, features: FeatureCache) -> None:
    gate = fitted(benchmark, features)
    seen = queries(benchmark, pictures(benchmark, "forget"))[:2]
    routes = gate.route([GateQuery(None, "Who?"), *seen, GateQuery(None, "Where?")], features)
    assert [bool(r.experts) for r in routes] == [False, True, True, False]
    assert routes[0].why == routes[3].why == "no picture"
    assert routes[1:3] == gate.route(seen, features)


def test_a_gate_of_nothing_routes_to_the_base(benchmark: Benchmark, features: FeatureCache) -> None:
    routes = PrototypeGate().route(queries(benchmark, pictures(benchmark, "forget")[:2]), features)
    assert [r.experts for r in routes] == [(), ()]


def test_one_picture_an_entity_is_an_error(benchmark: Benchmark, features: FeatureCache) -> None:
    def first(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
        chosen = {s.entity.key: s for s in samples if s.role == "fit"}
        return tuple(chosen.values())

    bare = replace(
        benchmark,
        tasks=tuple(replace(t, forget=first(t.forget), retain=first(t.retain)) for t in benchmark),
    )
    with pytest.raises(MlubenchError, match="too few pictures") as error:
        fitted(bare, features)
    assert "\n" not in str(error.value)


def test_test_pictures_have_no_part_in_the_fit(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(benchmark, features)
    for other in (
        fitted(benchmark, moved(benchmark, features, "test")),
        fitted(without_role(benchmark, "test"), features),
    ):
        assert other.threshold == gate.threshold
        assert all(torch.equal(other.state[k], gate.state[k]) for k in gate.state)


def test_fit_and_calibration_pictures_both_count(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(benchmark, features)
    for role in ("fit", "calibrate"):
        other = fitted(benchmark, moved(benchmark, features, role))
        assert other.threshold != gate.threshold
        assert not torch.equal(other.state["forget"], gate.state["forget"])


def test_a_margin_is_measured_without_the_picture_itself(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    """Moving one fold's pictures of one entity far away changes the margins of these, and they fall."""
    groups = {
        f"e{n}": torch.randn(10, 16, generator=torch.Generator().manual_seed(n)).double() + 9 * n
        for n in range(4)
    }
    own, other = held_out_margins(groups, ["e0", "e1"])
    assert (len(own), len(other)) == (20, 20)
    assert min(own) > max(other)
    alone = {**groups, "e0": groups["e0"].clone()}
    alone["e0"][0] += 50  # an outlier that its own mean, made with it, would partly follow
    moved_own, _ = held_out_margins(alone, ["e0", "e1"])
    kept = {k: rows[1:] if k == "e0" else rows for k, rows in alone.items()}
    kept = {
        k: rows[torch.arange(len(rows)) % 5 != 0]
        if k != "e0"
        else rows[torch.arange(1, 10) % 5 != 0]
        for k, rows in kept.items()
    }
    state = state_of(kept, ["e0", "e1"])
    assert margins(alone["e0"][:1], state)[0].item() == pytest.approx(moved_own[0])
    assert moved_own[0] == min(moved_own)


def test_the_distances_are_those_of_the_inverse_covariance() -> None:
    """Whitened, the squared distance is Mahalanobis by the shrunk covariance, with fewer rows than features."""
    residuals = torch.randn(12, 20, generator=torch.Generator().manual_seed(0)).double()
    covariance = residuals.T @ residuals / 11
    shrunk = 0.5 * covariance + 0.5 * covariance.diagonal().mean() * torch.eye(20).double()
    step = torch.randn(20, generator=torch.Generator().manual_seed(1)).double()
    expected = step @ torch.linalg.solve(shrunk, step)
    assert (step @ whitening(residuals)).pow(2).sum().item() == pytest.approx(expected.item())


def test_a_gate_of_an_older_version_is_an_error(
    benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    (tmp_path / "prototype.json").write_text('{"entities": [], "experts": [], "radius": 1.0}')
    with pytest.raises(MlubenchError, match="older version"):
        PrototypeGate().load(tmp_path)


def test_no_retain_entity_is_no_hindrance(benchmark: Benchmark, features: FeatureCache) -> None:
    bare = replace(benchmark, tasks=tuple(replace(t, retain=()) for t in benchmark))
    gate = fitted(bare, features)
    samples = pictures(benchmark, "forget")
    routes = gate.route(queries(benchmark, samples), features)
    right = sum(r.experts == (s.task,) for s, r in zip(samples, routes, strict=True))
    assert right >= 0.7 * len(samples) > 0


def test_whoever_is_routed_is_suspected_first(
    whole_benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(whole_benchmark, features)
    routes = gate.route(queries(whole_benchmark, pictures(whole_benchmark, "forget")), features)
    routed = [route for route in routes if route.experts]
    assert len(routed) > 20
    assert all(route.suspects[0] == route.entity for route in routed)


def test_about_a_tenth_of_what_is_kept_is_in_the_band(
    whole_benchmark: Benchmark, features: FeatureCache
) -> None:
    kept = queries(whole_benchmark, pictures(whole_benchmark, "retain"))
    shares = {}
    routed = {}
    for band in (0.0, 0.1, 1.0):
        gate = fitted(whole_benchmark, features, band=band)
        routes = gate.route(kept, features)
        shares[band] = sum(bool(route.suspects) for route in routes) / len(routes)
        routed[band] = [route.experts for route in routes]
    # Whom it suspects changes nothing of where it routes.
    assert routed[0.0] == routed[0.1] == routed[1.0]
    assert shares[0.0] == 0
    assert 0.02 < shares[0.1] < 0.3
    assert shares[1.0] > 0.8


def test_margins_of_all_agree_with_the_margin_of_the_nearest(
    whole_benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(whole_benchmark, features)
    samples = [*pictures(whole_benchmark, "forget"), *pictures(whole_benchmark, "retain")]
    rows = features([whole_benchmark.picture(s) for s in samples]).double()
    nearest, numbers = margins(rows, gate.state)
    of_all = margins_of_all(rows, gate.state)
    assert torch.allclose(of_all.gather(1, numbers[:, None])[:, 0], nearest)
    assert (of_all.max(1).indices == numbers).all()
    # Of another entity the rival is the nearest of all.
    white = rows @ gate.state["whitening"]
    distances = torch.cdist(white, torch.cat([gate.state["forget"], gate.state["retain"]]))
    other = (numbers + 1) % len(gate.entities)
    expected = 0.5 * distances.min(1).values - distances.gather(1, other[:, None])[:, 0]
    assert torch.allclose(of_all.gather(1, other[:, None])[:, 0], expected)


def test_a_gate_that_was_saved_without_a_band_suspects_nobody(
    benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    gate = fitted(benchmark, features)
    gate.save(tmp_path)
    saved = json.loads((tmp_path / "prototype.json").read_text())
    assert saved.pop("suspicion") == gate.suspicion
    (tmp_path / "prototype.json").write_text(json.dumps(saved))
    older = PrototypeGate()
    older.load(tmp_path)
    asked = queries(benchmark, pictures(benchmark, "forget"))
    routes = older.route(asked, features)
    assert [route.suspects for route in routes] == [()] * len(routes)
    assert [route.experts for route in routes] == [
        route.experts for route in gate.route(asked, features)
    ]
