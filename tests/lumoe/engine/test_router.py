"""A gate that fails ends nothing: its queries are refused with a fixed text or left to the base, and counted."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.judging.rules.refusal import refusal
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL, LUMoE
from mlubench.lumoe.engine.router import route_all
from mlubench.lumoe.gates.base import GateQuery
from mlubench.lumoe.gates.metrics import gate_report, rerouted, warm
from mlubench.models.mllm import Query
from mlubench.types import Benchmark, Route, Sample

NEW = 24


class Down:
    """Fails for every question that says so."""

    name = "down"
    error: type[MlubenchError] = MlubenchError

    def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
        if any("fail" in q.question for q in queries):
            raise self.error("the endpoint is down", "Start it.")
        return [Route((), None, 0.0, "well")] * len(queries)


class WronglySet(Down):
    error = UsageError


def asked(*questions: str) -> list[GateQuery]:
    return [GateQuery(None, q) for q in questions]


@pytest.mark.parametrize(("on_error", "refused"), [("refuse", True), ("base", False)])
def test_only_what_failed_is_marked(on_error, refused: bool) -> None:
    first, second, third = route_all(Down(), asked("one", "fail", "two"), None, on_error)
    assert first == third == Route((), None, 0.0, "well")
    assert (second.failed, second.refused, second.experts) == (True, refused, ())
    assert "the gate failed: the endpoint is down" in second.why
    assert ("refused" in second.why, "left to the base" in second.why) == (refused, not refused)


def test_a_wrong_setting_is_no_failure_of_the_gate() -> None:
    with pytest.raises(UsageError, match="down"):
        route_all(WronglySet(), asked("one", "fail"), None, "refuse")


@pytest.mark.parametrize("on_error", ["refuse", "base"])
def test_an_unreadable_picture_is_refused(
    lumoe: LUMoE, benchmark: Benchmark, tmp_path: Path, on_error
) -> None:
    """Also where failures go to the base: it could not see the picture either."""
    broken = tmp_path / "x.jpg"
    broken.write_bytes(b"no picture")
    sample = next(s for s in benchmark.task("A").retain if s.role == "test")
    pairs = [(broken, "What is it?"), (benchmark.picture(sample), sample.question)]
    lumoe.on_error = on_error
    routes = lumoe.routes([GateQuery(p, q) for p, q in pairs])
    assert [r.refused for r in routes] == [True, False]
    assert "x.jpg" in routes[0].why
    answers = lumoe.generate([Query(p, q) for p, q in pairs], routes, max_new_tokens=NEW)
    assert answers[0] == GATE_REFUSAL != answers[1]


def test_the_fixed_text_is_a_refusal_to_the_judge() -> None:
    assert refusal(GATE_REFUSAL)


def test_left_to_the_base_it_is_the_bases_answer(lumoe: LUMoE, benchmark: Benchmark) -> None:
    sample = next(s for s in benchmark.task("A").retain if s.role == "test")
    lumoe.gate, lumoe.on_error = Down(), "base"
    query = Query(benchmark.picture(sample), sample.question)
    (route,) = lumoe.routes([GateQuery(query.image, "fail")])
    plain = Route((), None, 0.0, "by hand")
    assert lumoe.generate([query], [route], max_new_tokens=NEW) == lumoe.generate(
        [query], [plain], max_new_tokens=NEW
    )


@pytest.mark.parametrize(("on_error", "refused"), [("refuse", 1), ("base", 0)])
def test_failures_are_counted_and_are_no_over_refusals(
    lumoe: LUMoE, benchmark: Benchmark, on_error, refused
) -> None:
    class DownForOne(Down):
        def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
            return super().route(
                [GateQuery(None, "fail" if q.image == one else "") for q in queries], features
            )

    samples = list({s.image: s for s in benchmark.task("A").retain if s.role == "test"}.values())
    one = benchmark.picture(samples[0])
    got = gate_report(
        DownForOne(), benchmark.tasks[:1], benchmark, lumoe.features, samples, on_error=on_error
    )
    assert (got.failed, got.refused, got.n) == (1, refused, len(samples))
    assert (got.over_refusal_rate, got.over_refusal_rate_n) == (0, len(samples) - refused)


class ByTask(Down):
    """Sends every picture of these entities' classes to expert A."""

    def __init__(self, entities: set[str]) -> None:
        self.entities = entities

    def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
        keys = [q.entity.key if q.entity else "" for q in queries]
        return [Route(("A",) if k in self.entities else (), None, 0.0, "") for k in keys]


def test_changed_routes_of_earlier_tasks_are_counted(benchmark: Benchmark) -> None:
    pictures: dict[str, Sample] = {
        s.image: s for s in benchmark.task("A").samples if s.role == "calibrate"
    }
    keys = sorted({s.entity.key for s in pictures.values()})
    moved = sum(s.entity.key == keys[0] for s in pictures.values())
    before, now = ByTask(set(keys)), ByTask(set(keys[1:]))
    got = rerouted(before, now, benchmark.tasks[:1], benchmark, lambda _: None)
    assert got == (moved, len(pictures))
    assert rerouted(now, now, benchmark.tasks[:1], benchmark, lambda _: None)[0] == 0


def test_features_of_what_can_be_read_are_computed(
    lumoe: LUMoE, benchmark: Benchmark, tmp_path: Path
) -> None:
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    good = [benchmark.picture(s) for s in benchmark.task("B").retain[:2]]
    lumoe.features.rows.clear()
    warm([GateQuery(p, "") for p in (good[0], tmp_path / "x.jpg", good[1])], lumoe.features)
    assert set(lumoe.features.rows) == set(good)
