"""The picture gate on the real benchmark, by the tower of the real base alone: no base is made. For `gates.py`."""

from collections.abc import Iterator
from typing import Any

from gates_world import OwnEncoders, real_tower
from mlubench.experiment.prepare import open_benchmark
from mlubench.experiment.strangers import open_strangers
from mlubench.lumoe.gates.making import make_gate
from mlubench.lumoe.gates.metrics import gate_report
from mlubench.settings.gates import GateConfig
from mlubench.settings.loading import load


def rows(seed: int, gates: GateConfig) -> Iterator[dict[str, Any]]:
    """After all four tasks, with and without a look at parts; new views are told from other photographs."""
    config = load("real", [f"benchmark.seed={seed}"])
    benchmark = open_benchmark(config)
    strangers = open_strangers(config.benchmark, benchmark)
    features = OwnEncoders(tower=real_tower())
    test = [sample for sample in benchmark.samples if sample.role == "test"]
    for parts in (False, True):
        gate = make_gate("hybrid")
        settings = gates.model_copy(update={"parts": parts})
        gate.fit(benchmark.tasks, benchmark, features, settings)
        row = gate_report(gate, benchmark.tasks, benchmark, features, test, strangers=strangers)
        yield {
            "world": f"real, seed {seed}",
            "looks": "parts" if parts else "whole",
            **row.as_json(),
        }
