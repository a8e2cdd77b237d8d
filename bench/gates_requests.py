"""One request after another, an entity each, through a base that has met none of them: the gate's rates and its cost."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from gates_world import World
from mlubench.lumoe.gates.base import GateQuery
from mlubench.lumoe.gates.making import make_gate
from mlubench.lumoe.gates.metrics import report_of
from mlubench.settings.run import GateConfig
from mlubench.types import Benchmark, Entity, Role, Sample, Task

PICTURES: tuple[Role, ...] = ("fit",) * 5 + ("calibrate",) * 3 + ("test",) * 2
RETAIN, STRANGERS = 100, 100  # entities
SHOWN = "What is shown here?"


def rows(world: World, sizes: Sequence[int]) -> Iterator[dict[str, Any]]:
    """A row for each number of requests: the hybrid gate's rates on two new pictures an entity, and seconds of a fit."""
    entities = [Entity("Personage", f"Requested_{n}") for n in range(max(sizes))]
    retain = [Entity("Personage", f"Kept_{n}") for n in range(RETAIN)]
    kept = tuple(s for e in retain for s in _samples(world, e, "0", "retain"))
    tasks = [
        Task(str(n), tuple(_samples(world, e, str(n), "forget")), kept if n == 0 else ())
        for n, e in enumerate(entities)
    ]
    benchmark = Benchmark(tuple(tasks), world.folder, True, "")
    new = [
        (e, p)
        for n in range(STRANGERS)
        for e in [Entity("Personage", f"Stranger_{n}")]
        for p in world.drawn(e, 2)
    ]
    for size in sizes:
        done = tasks[:size]
        world.features([benchmark.picture(s) for t in done for s in t.samples])
        gate, start = make_gate("hybrid"), time.perf_counter()
        gate.fit(done, benchmark, world.features, GateConfig())
        seconds = time.perf_counter() - start
        cases = [
            (s.entity, benchmark.picture(s)) for t in done for s in t.samples if s.role == "test"
        ] + new
        queries = [GateQuery(path, SHOWN, entity) for entity, path in cases]
        report = report_of(gate, done, [entity for entity, _ in cases], queries, world.features)
        yield {"world": world.name, "requests": size, "fit_seconds": round(seconds, 3), **report}


def _samples(world: World, entity: Entity, task: str, split: Any) -> list[Sample]:
    paths = world.drawn(entity, len(PICTURES))
    return [
        Sample(
            f"{entity.key}-{n}",
            task,
            split,
            entity,
            str(path.relative_to(world.folder)),
            SHOWN,
            "",
            entity.key,
            0,
            role,
        )
        for n, (path, role) in enumerate(zip(paths, PICTURES, strict=True))
    ]
