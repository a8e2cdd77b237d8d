"""One request after another, an entity each, through a base that has met none of them: the gate's rates and its cost."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from gates_world import World
from mlubench.lumoe.gates.base import GateQuery
from mlubench.lumoe.gates.making import make_gate
from mlubench.lumoe.gates.metrics import report_of
from mlubench.types import Benchmark, Entity, Role, Sample, Split, Task

PICTURES: tuple[Role, ...] = ("fit",) * 5 + ("calibrate",) * 3 + ("test",) * 2
RETAIN, STRANGERS = 100, 100  # entities
SHOWN = "What is shown here?"


def rows(world: World, sizes: Sequence[int]) -> Iterator[dict[str, Any]]:
    """A row for each number of requests: the hybrid gate's rates on two new pictures an entity, and seconds of a fit."""
    entities = [Entity("Personage", f"Requested_{n}") for n in range(max(sizes))]
    retain = [Entity("Personage", f"Kept_{n}") for n in range(RETAIN)]
    benchmark = requests_of(world, entities, retain)
    tasks = benchmark.tasks
    of_strangers = []
    for number in range(STRANGERS):
        stranger = Entity("Personage", f"Stranger_{number}")
        of_strangers += [(stranger, picture) for picture in world.drawn(stranger, 2)]
    for size in sizes:
        done = tasks[:size]
        samples = [sample for task in done for sample in task.samples]
        # Features are computed beforehand, so that the seconds are those of the fit alone.
        world.features([benchmark.picture(sample) for sample in samples])
        gate = make_gate("hybrid")
        start = time.perf_counter()
        gate.fit(done, benchmark, world.features, world.gates)
        seconds = time.perf_counter() - start
        cases = []
        for sample in samples:
            if sample.role == "test":
                cases.append((sample.entity, benchmark.picture(sample)))
        cases += of_strangers
        queries = [GateQuery(path, SHOWN, entity) for entity, path in cases]
        report = report_of(gate, done, [entity for entity, _ in cases], queries, world.features)
        yield {
            "world": world.name,
            "requests": size,
            "fit_seconds": round(seconds, 3),
            **report.as_json(),
        }


def requests_of(world: World, requested: Sequence[Entity], kept: Sequence[Entity]) -> Benchmark:
    """A task for each request. What must stay comes with the first, and stays what it is."""
    stays: list[Sample] = []
    for entity in kept:
        stays += _samples_of(world, entity, "0", "retain")
    tasks = []
    for number, entity in enumerate(requested):
        forget = _samples_of(world, entity, str(number), "forget")
        tasks.append(Task(str(number), tuple(forget), tuple(stays) if number == 0 else ()))
    return Benchmark(tuple(tasks), world.folder, True, "", background="drawn")


def _samples_of(world: World, entity: Entity, task: str, split: Split) -> list[Sample]:
    paths = world.drawn(entity, len(PICTURES))
    samples = []
    for number, (path, role) in enumerate(zip(paths, PICTURES, strict=True)):
        samples.append(
            Sample(
                id=f"{entity.key}-{number}",
                task=task,
                split=split,
                entity=entity,
                image=str(path.relative_to(world.folder)),
                question=SHOWN,
                truth="",
                fact=entity.key,
                phrasing=0,
                role=role,
            )
        )
    return samples
