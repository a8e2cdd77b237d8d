"""What one request more costs the picture gate, and what routing a query costs, beside what the encoder takes.

Pictures have drawn features, as neither cost depends on what is on them: each request has a centre of its own, which its
pictures and their views scatter around. So a thousand requests are made in seconds. The encoder's part is done
beforehand: the rows of all pictures lie in the gate's cache, as those of pictures that were looked at do.
"""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mlubench.data.pictures import stamp
from mlubench.lumoe.gates.base import Gate, GateQuery, GrowingGate
from mlubench.lumoe.gates.looks import IN_GUISES
from mlubench.lumoe.gates.making import make_gate
from mlubench.models.features import EncoderName, FeatureRow, LayerCache, open_encoder
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Entity, Sample, Split, Task

PICTURES = 8  # of each request
KEPT = 100  # entities that must stay, in the first task
NEW = 11  # requests more that are timed, one after another
QUERIES = 200  # that are timed one by one, about requests and what must stay by turns
WIDTH = 128  # of the encoder's rows
QUESTION = "What is shown here?"


class DrawnWorld:
    """Requests with drawn features, a task each. The first task keeps all that must stay."""

    def __init__(self, folder: Path, config: GateConfig) -> None:
        self.folder = folder
        self.config = config
        # What the gate's encoder is taken to have said of each picture and view.
        self.looks = LayerCache(open_encoder("drawn"), keep=1_000_000)
        self.kept: list[Sample] = []
        for number in range(KEPT):
            self.kept += self._entity(f"Kept_{number}", "0", "retain")
        self.tasks: list[Task] = []

    def __call__(self, pictures: Sequence[Path]) -> Tensor:
        return torch.zeros(len(pictures), 1)

    def encoded_by(self, encoder: EncoderName) -> LayerCache:
        return self.looks

    def first(self, count: int) -> list[Task]:
        """The first so many tasks, drawn where they are not there yet."""
        for number in range(len(self.tasks), count):
            forget = self._entity(f"Requested_{number}", str(number), "forget")
            retain = self.kept if number == 0 else []
            self.tasks.append(Task(str(number), tuple(forget), tuple(retain)))
        return self.tasks[:count]

    def benchmark(self, tasks: Sequence[Task]) -> Benchmark:
        return Benchmark(tuple(tasks), self.folder, True, "", background="drawn")

    def _entity(self, name: str, task: str, split: Split) -> list[Sample]:
        """Its samples. The pictures are empty files: only whether they changed is asked of them."""
        entity = Entity("Personage", name)
        rng = torch.Generator().manual_seed(sum(name.encode()) + len(self.looks.rows))
        centre = torch.randn(WIDTH, generator=rng)
        samples = []
        for number in range(PICTURES + 1):
            image = f"{name}_{number}.jpg"
            path = self.folder / image
            path.touch()
            for view in (*range(1 + self.config.views), *IN_GUISES):
                row = F.normalize(centre + 0.3 * torch.randn(WIDTH, generator=rng), dim=0)
                self.looks.rows[path, view] = FeatureRow(stamp(path), row)
            samples.append(
                Sample(
                    id=image,
                    task=task,
                    split=split,
                    entity=entity,
                    image=image,
                    question=QUESTION,
                    truth="",
                    fact=name,
                    phrasing=0,
                    role="fit" if number < PICTURES else "test",
                )
            )
        return samples


def rows(folder: Path, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """A row for each gate and number of requests, in milliseconds of processor time.

    `next` is of a request more, with all that the gate states then; `whole` of a gate that learns all of them anew.
    """
    world = DrawnWorld(folder, GateConfig())
    return [_row(world, name, size) for name in ("metric", "hybrid") for size in sizes]


def _row(world: DrawnWorld, name: str, size: int) -> dict[str, Any]:
    tasks = world.first(size + NEW)
    benchmark = world.benchmark(tasks)
    gate = make_gate(name)
    assert isinstance(gate, GrowingGate)
    gate.fit(tasks[: size - 1], benchmark, world, world.config)
    took = []
    for done in range(size, size + NEW):
        start = time.process_time()
        gate.fit_next(tasks[:done], benchmark, world, world.config)
        took.append(1000 * (time.process_time() - start))
    anew = make_gate(name)
    start = time.process_time()
    anew.fit(tasks[:size], benchmark, world, world.config)
    whole = 1000 * (time.process_time() - start)
    routed = _routed(anew, tasks[:size], world)
    return {
        "gate": name,
        "requests": size,
        "next_ms": round(statistics.median(took), 2),
        "next_ms_max": round(max(took), 2),
        "whole_ms": round(whole, 1),
        "route_ms": round(statistics.median(routed), 3),
        "route_ms_p99": round(sorted(routed)[int(0.99 * (len(routed) - 1))], 3),
    }


def _routed(gate: Gate, tasks: Sequence[Task], world: DrawnWorld) -> list[float]:
    """Milliseconds of each query, about pictures that the gate has not learned from."""
    forget = [sample for task in tasks for sample in task.forget if sample.role == "test"]
    retain = [sample for sample in world.kept if sample.role == "test"]
    took = []
    for number in range(QUERIES):
        samples = forget if number % 2 else retain
        picture = world.folder / samples[number // 2 % len(samples)].image
        start = time.process_time()
        gate.route([GateQuery(picture, QUESTION)], world)
        took.append(1000 * (time.process_time() - start))
    return took
