"""The picture gate on the real benchmark, by the tower of the real base alone: no base is made. For `gates.py`.

Of each thing one new view of a known photograph is also shown in scenes: beside another, and small in a photograph of a
stranger. What is counted of scenes stands in gates_scenes.py.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from gates_scenes import SMALL, Hits, Scene, asked_about, edges, hits_of, rates_of
from gates_world import OwnEncoders
from mlubench.data.evasion import side_by_side
from mlubench.data.pictures import open_picture
from mlubench.data.strangers import Strangers
from mlubench.experiment.prepare import open_benchmark
from mlubench.experiment.strangers import open_strangers
from mlubench.lumoe.gates.making import make_gate
from mlubench.lumoe.gates.metrics import gate_report
from mlubench.models.real.assembly import own_vision
from mlubench.settings.gates import GateConfig
from mlubench.settings.loading import load
from mlubench.types import Benchmark, Entity

# Pixels of a side of a photograph in which something is shown small.
FRAME = 320
SAME_PHOTO = "same-photo"
# One picture of each thing.
Shown = Mapping[Entity, Path]


def rows(seed: int, gates: GateConfig, folder: Path) -> Iterator[dict[str, Any]]:
    """After all four tasks, with and without a look at parts; new views are told from other photographs."""
    config = load("real", [f"benchmark.seed={seed}"])
    benchmark = open_benchmark(config)
    strangers = open_strangers(config.benchmark, benchmark)
    features = OwnEncoders(tower=own_vision().encoder())
    test = [sample for sample in benchmark.samples if sample.role == "test"]
    scenes = list(_scenes(benchmark, strangers, folder))
    experts = {entity: task.name for task in benchmark.tasks for entity in task.forget_entities}
    for parts in (False, True):
        gate = make_gate("hybrid")
        settings = gates.model_copy(update={"parts": parts})
        gate.fit(benchmark.tasks, benchmark, features, settings)
        row = gate_report(gate, benchmark.tasks, benchmark, features, test, strangers=strangers)
        about = {"world": f"real, seed {seed}", "looks": "parts" if parts else "whole"}
        yield {**about, **row.as_json()}
        hits: dict[str, list[Hits]] = defaultdict(list)
        routes = gate.route([asked_about(scene.picture) for scene in scenes], features)
        for scene, route in zip(scenes, routes, strict=True):
            hits[scene.kind].append(hits_of(scene, set(route.experts), experts))
        for kind, found in hits.items():
            yield {**about, "kind": kind, **rates_of(found)}


def _scenes(benchmark: Benchmark, strangers: Strangers, folder: Path) -> Iterator[Scene]:
    unknown = {stranger.entity: stranger.picture for stranger in strangers.found}
    asked = _shown(benchmark, "forget")
    kept = _shown(benchmark, "retain")
    for name, group in (("asked", asked), ("kept", kept), ("strangers", unknown)):
        yield from _scenes_of(name, group, unknown, folder)


def _shown(benchmark: Benchmark, split: str) -> Shown:
    """Of each thing the first tested view of a known photograph."""
    found: dict[Entity, Path] = {}
    for sample in benchmark.samples:
        tested = sample.role == "test" and sample.picture_kind == SAME_PHOTO
        if tested and sample.split == split and sample.image:
            found.setdefault(sample.entity, benchmark.picture(sample))
    return found


def _scenes_of(name: str, group: Shown, unknown: Shown, folder: Path) -> Iterator[Scene]:
    """Each thing alone, beside the next of its group, beside a stranger, and small in a stranger's photograph."""
    entities = list(group)
    others = list(unknown)
    for number, entity in enumerate(entities):
        yield Scene(f"{name}: alone", group[entity], (entity,))
        following = entities[(number + 1) % len(entities)]
        stranger = others[-1 - number % len(others)]
        if stranger == entity:
            stranger = others[0]
        place = f"{name}_{number}"
        pair = _saved(_pair(group[entity], group[following]), folder / f"{place}_two.png")
        yield Scene(f"{name}: two", pair, (entity, following))
        beside = _saved(_pair(group[entity], unknown[stranger]), folder / f"{place}_beside.png")
        yield Scene(f"{name}: beside a stranger", beside, (entity, stranger))
        small = _small(group[entity], unknown[stranger], seed=place)
        path = _saved(small, folder / f"{place}_small.png")
        yield Scene(f"{name}: small in a photograph", path, (entity, stranger))


def _pair(left: Path, right: Path) -> Image.Image:
    return side_by_side(open_picture(left), open_picture(right))


def _small(shown: Path, photograph: Path, *, seed: str) -> Image.Image:
    """The first picture somewhere on the second, at 30 to 50% of its side, without a frame."""
    rng = random.Random(seed)
    ground = open_picture(photograph).resize((FRAME, FRAME))
    side = round(rng.uniform(*SMALL) * FRAME)
    at = (rng.randint(0, FRAME - side), rng.randint(0, FRAME - side))
    ground.paste(open_picture(shown).resize((side, side)), at, edges(side, soft=True))
    return ground


def _saved(picture: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return path
