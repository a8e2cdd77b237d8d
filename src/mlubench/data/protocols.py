"""Which samples train and which test: other pictures, or the very same records, as in the published experiments."""

from collections.abc import Sequence
from dataclasses import replace

from mlubench.types import Benchmark, ProtocolName, Sample


def under_protocol(benchmark: Benchmark, protocol: ProtocolName) -> Benchmark:
    """The benchmark as methods and gates are to see it.

    `held-out` leaves each picture its role. Under `published` every record trains, calibrates and tests (MLUBench,
    arXiv 2606.12809). It comes after the base was taught and asked what it knows, so that both protocols unlearn the same
    facts of the same base.
    """
    if protocol == "held-out":
        return benchmark
    tasks = []
    for task in benchmark:
        tasks.append(replace(task, forget=_for_all(task.forget), retain=_for_all(task.retain)))
    return replace(benchmark, tasks=tuple(tasks))


def _for_all(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    return tuple(replace(sample, role="all") for sample in samples)
