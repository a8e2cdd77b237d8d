"""A saved gate learns one request more, and is then the gate that was fitted on all of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.gates.base import GateQuery
from mlubench.lumoe.gates.hybrid import HybridGate
from mlubench.lumoe.gates.prototype import PrototypeGate
from mlubench.models.features import FeatureCache
from mlubench.models.mllm import MLLM
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark


def saved_and_loaded(gate: HybridGate, folder: Path) -> HybridGate:
    gate.save(folder)
    loaded = HybridGate()
    loaded.load(folder)
    return loaded


def test_an_extended_gate_is_the_one_that_was_fitted_on_all(
    whole_benchmark: Benchmark, mllm: MLLM, tmp_path: Path
) -> None:
    features = FeatureCache(mllm)
    config = GateConfig()
    first, second = whole_benchmark.task("A"), whole_benchmark.task("C")
    fitted = HybridGate()
    fitted.fit([first, second], whole_benchmark, features, config)
    gate = HybridGate()
    gate.fit([first], whole_benchmark, features, config)
    gate = saved_and_loaded(gate, tmp_path)
    gate.extend(second, whole_benchmark, features, config)
    samples = [sample for sample in whole_benchmark.samples if sample.tests][::40]
    queries = [GateQuery(whole_benchmark.picture(s), s.question) for s in samples]
    assert gate.route(queries, features) == fitted.route(queries, features)


def test_what_the_gate_has_met_is_not_learned_as_new(
    whole_benchmark: Benchmark, mllm: MLLM
) -> None:
    task = whole_benchmark.task("A")
    gate = HybridGate()
    gate.fit([task], whole_benchmark, FeatureCache(mllm), GateConfig())
    swapped = replace(task, name="again", forget=task.retain, retain=())
    with pytest.raises(MlubenchError, match=r"the gate has met .* before"):
        gate.extend(swapped, whole_benchmark, FeatureCache(mllm), GateConfig())


def test_a_gate_without_a_metric_says_that_it_cannot(
    whole_benchmark: Benchmark, mllm: MLLM
) -> None:
    gate = HybridGate()
    gate.picture = PrototypeGate()
    with pytest.raises(MlubenchError, match="it has no metric to see pictures by"):
        gate.extend(whole_benchmark.task("A"), whole_benchmark, FeatureCache(mllm), GateConfig())
