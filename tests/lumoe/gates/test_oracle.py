"""The oracle is told the entity; where it is not told, it says so instead of guessing."""

from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.gates.base import GateQuery
from mlubench.lumoe.gates.oracle import OracleGate
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark


def unused(_: object) -> None:
    raise AssertionError("the oracle looks at no picture")


@pytest.fixture
def gate(benchmark: Benchmark) -> OracleGate:
    oracle = OracleGate()
    oracle.fit(benchmark.tasks, benchmark, unused, GateConfig())
    return oracle


def test_every_query_goes_where_it_belongs(
    gate: OracleGate, whole_benchmark: Benchmark, benchmark: Benchmark
) -> None:
    samples = whole_benchmark.samples
    routes = gate.route([GateQuery(None, s.question, s.entity) for s in samples], unused)
    told = [t.name for t in benchmark]
    for sample, route in zip(samples, routes, strict=True):
        wanted = (sample.task,) if sample.split == "forget" and sample.task in told else ()
        assert route.experts == wanted
        assert route.entity == (sample.entity.key if wanted else None)
        assert route.score == (1.0 if wanted else 0.0)
    assert {r.experts for r in routes} == {("A",), ("B",), ()}


def test_an_unknown_entity_is_an_error(gate: OracleGate) -> None:
    with pytest.raises(MlubenchError, match="needs the true entity"):
        gate.route([GateQuery(None, "Who is this?")], unused)


def test_saved_and_loaded_it_routes_the_same(
    gate: OracleGate, benchmark: Benchmark, tmp_path: Path
) -> None:
    other = OracleGate()
    gate.save(tmp_path)
    other.load(tmp_path)
    queries = [GateQuery(None, s.question, s.entity) for s in benchmark.samples]
    assert other.route(queries, unused) == gate.route(queries, unused)
    assert any(not key.isascii() for key in other.expert_of)
