"""Picture and text together: the experts of both, and each says why."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlubench.lumoe.gates.base import GateQuery, statement_of
from mlubench.lumoe.gates.hybrid import HybridGate
from mlubench.lumoe.gates.prototype import PrototypeGate
from mlubench.models.features import FeatureCache
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Sample, Task


@pytest.fixture
def features(mllm) -> FeatureCache:
    return FeatureCache(mllm)


@pytest.fixture
def gate(benchmark: Benchmark, features: FeatureCache) -> HybridGate:
    made = HybridGate()
    made.fit(benchmark.tasks, benchmark, features, GateConfig())
    return made


def seen(benchmark: Benchmark, task: str, gate: HybridGate, features: FeatureCache) -> Sample:
    """A test sample whose picture the gate knows."""
    found = [s for s in benchmark.task(task).forget if s.role == "test"]
    routes = gate.picture.route(
        [GateQuery(benchmark.picture(s), s.question) for s in found], features
    )
    return next(s for s, r in zip(found, routes, strict=True) if r.experts == (task,))


def test_union_of_picture_and_text(
    gate: HybridGate, benchmark: Benchmark, features: FeatureCache
) -> None:
    shown = seen(benchmark, "A", gate, features)
    told = benchmark.task("B").forget[0].entity
    query = GateQuery(benchmark.picture(shown), f"What has this to do with {told.title}?")
    (route,) = gate.route([query], features)
    assert route.experts == ("A", "B")
    assert "picture: likeness" in route.why and "text: " in route.why and told.key in route.why
    # The route names one of the two, and the second look is to know the other.
    assert route.entity == shown.entity.key
    assert told.key in route.suspects
    (alone,) = gate.route([replace(query, question="What is this?")], features)
    assert alone.experts == ("A",) and "no name" in alone.why


def test_without_a_picture_the_text_alone(
    gate: HybridGate, benchmark: Benchmark, features: FeatureCache
) -> None:
    told = benchmark.task("B").forget[0].entity
    routes = gate.route(
        [GateQuery(None, f"Who or what is {told.title}?"), GateQuery(None, "Who is it?")], features
    )
    assert [r.experts for r in routes] == [("B",), ()]
    assert all(r.why.endswith("no picture") for r in routes)


def test_saved_and_loaded(
    gate: HybridGate, benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    gate.save(tmp_path)
    other = HybridGate()
    other.load(tmp_path)
    asked = [
        GateQuery(benchmark.picture(s), f"{s.question} {s.entity.title}")
        for s in benchmark.samples[::40]
    ]
    first, again = gate.route(asked, features), other.route(asked, features)
    assert [(r.experts, r.entity, r.why) for r in again] == [
        (r.experts, r.entity, r.why) for r in first
    ]
    assert [r.score for r in again] == pytest.approx([r.score for r in first])


def test_a_folder_of_an_older_version_holds_a_prototype_gate(
    benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    older = HybridGate()
    older.picture = PrototypeGate()
    older.picture.fit(benchmark.tasks, benchmark, features, GateConfig())
    older.text.fit(benchmark.tasks, benchmark, features, GateConfig())
    older.save(tmp_path)
    other = HybridGate()
    other.load(tmp_path)
    asked = [GateQuery(benchmark.picture(s), s.question) for s in benchmark.samples[::40]]
    assert other.route(asked, features) == older.route(asked, features)
    assert statement_of(other) is None


def test_the_next_task_is_learned_as_in_a_whole_fit(
    gate: HybridGate, benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    first = HybridGate()
    first.fit(benchmark.tasks[:1], benchmark, features, GateConfig())
    first.save(tmp_path)
    grown = HybridGate()
    grown.load(tmp_path)
    grown.fit_next(benchmark.tasks, benchmark, features, GateConfig())
    asked = []
    for sample in benchmark.samples[::40]:
        question = f"{sample.question} {sample.entity.title}"
        asked.append(GateQuery(benchmark.picture(sample), question))
    assert grown.route(asked, features) == gate.route(asked, features)
    assert statement_of(grown) == statement_of(gate)


def test_an_older_folder_is_made_anew_for_the_next_task(
    gate: HybridGate, benchmark: Benchmark, features: FeatureCache
) -> None:
    older = HybridGate()
    older.picture = PrototypeGate()
    older.fit_next(benchmark.tasks, benchmark, features, GateConfig())
    assert statement_of(older) == statement_of(gate)


def in_words(benchmark: Benchmark, task: str) -> Task:
    """The task with its samples asked in words alone."""
    whole = benchmark.task(task)
    forget = tuple(replace(sample, image="") for sample in whole.forget)
    return replace(whole, forget=forget)


def test_it_only_reads_until_a_task_has_pictures(
    benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    first = in_words(benchmark, "A")
    gate = HybridGate()
    gate.fit([first], benchmark, features, GateConfig())
    assert gate.picture is None
    gate.save(tmp_path)
    loaded = HybridGate()
    loaded.load(tmp_path)
    assert statement_of(loaded) is None
    told = first.forget[0].entity
    shown = benchmark.task("B").forget[0]
    asked = [
        GateQuery(None, f"Who or what is {told.title}?"),
        GateQuery(benchmark.picture(shown), shown.question),
    ]
    assert [route.experts for route in loaded.route(asked, features)] == [("A",), ()]
    loaded.fit_next([first, benchmark.task("B")], benchmark, features, GateConfig())
    assert [route.experts for route in loaded.route(asked, features)] == [("A",), ("B",)]
