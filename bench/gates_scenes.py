"""The scenes of `gates.py`: pictures that show two things, or one thing small, asked with and without `gates.parts`.

Requests of one entity each, which no base and no network has met, beside things that must stay. `caught` are pictures that
reach the experts of all that is to be forgotten on them, `any` those that reach at least one of these; `over` are pictures
that reach an expert of something that is not on them. A scene of kept things or of strangers needs no expert.
"""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageFilter

from gates_requests import PICTURES, SHOWN, requests_of
from gates_world import OwnEncoders, World, rate
from mlubench.data.evasion import side_by_side
from mlubench.data.pictures import open_picture
from mlubench.data.render import render_blank
from mlubench.lumoe.gates.base import Gate, GateQuery
from mlubench.lumoe.gates.making import make_gate
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Entity, Task

KEPT, STRANGERS = 50, 50  # entities
# How many sets of requests there are of each size. No entity is in two sets.
SETS = {10: 6}
# Pixels of a side of a picture that shows something small, and the share of it that this takes.
FRAME = 240
SMALL = (0.3, 0.5)
TIMED = 40  # queries


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and what is on it."""

    kind: str
    picture: Path
    shown: tuple[Entity, ...]


@dataclass(frozen=True, slots=True)
class Hits:
    """What became of a scene."""

    # None where it shows nothing that is to be forgotten.
    caught: bool | None
    any: bool | None
    over: bool


def scenes_world(seed: int, folder: Path, gates: GateConfig) -> World:
    """A world of that seed without tasks, whose pictures are drawn in the folder."""
    benchmark = Benchmark((), folder, True, "", background="drawn")
    name = f"scenes, seed {seed}"
    return World(name, benchmark, None, OwnEncoders(), folder / "pictures", len(PICTURES), gates)


def rows(
    world: World, sets: Mapping[int, int], parts: Sequence[bool] = (False, True)
) -> Iterator[dict[str, Any]]:
    """A row for each number of requests, each way to look, and each kind of scene."""
    kept = _entities(world, "Kept", KEPT)
    strangers = _entities(world, "Stranger", STRANGERS)
    for size, count in sets.items():
        requested = _entities(world, f"Asked_{size}", size * count)
        for looks_at_parts in parts:
            hits: dict[str, list[Hits]] = defaultdict(list)
            milliseconds = 0.0
            for start in range(0, len(requested), size):
                some = requested[start : start + size]
                tasks, gate = _fitted(world, some, kept, looks_at_parts)
                experts = {task.forget_entities[0]: task.name for task in tasks}
                scenes = list(_scenes(world, some, kept, strangers))
                if not milliseconds:
                    milliseconds = _milliseconds(gate, scenes)
                routes = gate.route(
                    [asked_about(scene.picture) for scene in scenes], world.features
                )
                for scene, route in zip(scenes, routes, strict=True):
                    hits[scene.kind].append(hits_of(scene, set(route.experts), experts))
            for kind, found in hits.items():
                yield {
                    "world": world.name,
                    "requests": size,
                    "sets": count,
                    "looks": "parts" if looks_at_parts else "whole",
                    "kind": kind,
                    **rates_of(found),
                    "ms": round(milliseconds, 2),
                }


def rates_of(found: Sequence[Hits]) -> dict[str, Any]:
    """Of scenes of one kind."""
    return {
        **rate("caught", [hit.caught for hit in found if hit.caught is not None]),
        **rate("any", [hit.any for hit in found if hit.any is not None]),
        **rate("over", [hit.over for hit in found]),
    }


def _fitted(
    world: World, requested: Sequence[Entity], kept: Sequence[Entity], parts: bool
) -> tuple[Sequence[Task], Gate]:
    benchmark = requests_of(world, requested, kept)
    gate = make_gate("hybrid")
    config = world.gates.model_copy(update={"parts": parts})
    gate.fit(benchmark.tasks, benchmark, world.features, config)
    return benchmark.tasks, gate


def _scenes(
    world: World, requested: Sequence[Entity], kept: Sequence[Entity], strangers: Sequence[Entity]
) -> Iterator[Scene]:
    """All scenes with these requests. What must stay and strangers are shown alone, in pairs and small, too."""
    groups = (("asked", requested), ("kept", kept), ("strangers", strangers))
    for name, entities in groups:
        for number, entity in enumerate(entities):
            for path in _tested(world, entity):
                yield Scene(f"{name}: alone", path, (entity,))
            yield _small(world, entity, f"{name}: picture in a picture", soft=False)
            yield _small(world, entity, f"{name}: small", soft=True)
            for shift in (1, 2):
                other = entities[(number + shift) % len(entities)]
                if other != entity:
                    yield _pair(world, f"{name}: two", entity, other)
                    yield _scattered(world, f"{name}: two scattered", entity, other)
            yield _pair(
                world, f"{name}: beside a stranger", entity, strangers[-1 - number % len(strangers)]
            )
    for number in range(STRANGERS):
        yield Scene("nothing", _made(world, f"blank_{number}", lambda n=number: _blank(n)), ())


def _pair(world: World, kind: str, left: Entity, right: Entity) -> Scene:
    def draw() -> Image.Image:
        first, second = (open_picture(_tested(world, entity)[0]) for entity in (left, right))
        return side_by_side(first, second)

    return Scene(kind, _made(world, f"{left.name}_{right.name}", draw), (left, right))


def _small(world: World, entity: Entity, kind: str, *, soft: bool) -> Scene:
    """The thing somewhere on an empty ground, in its frame or without one."""
    name = f"{entity.name}_{'soft' if soft else 'framed'}"

    def draw() -> Image.Image:
        rng = random.Random(name)
        frame = _blank(rng.randrange(10_000))
        side = round(rng.uniform(*SMALL) * FRAME)
        shown = open_picture(_tested(world, entity)[1]).resize((side, side))
        at = (rng.randint(0, FRAME - side), rng.randint(0, FRAME - side))
        frame.paste(shown, at, edges(side, soft))
        return frame

    return Scene(kind, _made(world, name, draw), (entity,))


def _scattered(world: World, kind: str, first: Entity, second: Entity) -> Scene:
    """Both somewhere on an empty ground, without frames: one in the left half, one in the right, in any order."""
    name = f"{first.name}_{second.name}_scattered"

    def draw() -> Image.Image:
        rng = random.Random(name)
        frame = _blank(rng.randrange(10_000))
        half = FRAME // 2
        for number, entity in enumerate(rng.sample((first, second), 2)):
            side = round(rng.uniform(*SMALL) * FRAME)
            shown = open_picture(_tested(world, entity)[0]).resize((side, side))
            left = number * half + rng.randint(0, half - side)
            frame.paste(shown, (left, rng.randint(0, FRAME - side)), edges(side, soft=True))
        return frame

    return Scene(kind, _made(world, name, draw), (first, second))


def edges(side: int, soft: bool) -> Image.Image:
    """How much of each pixel is shown: all, or less towards the edges."""
    if not soft:
        return Image.new("L", (side, side), 255)
    rim = max(1, side // 20)
    inner = Image.new("L", (side - 4 * rim, side - 4 * rim), 255)
    mask = Image.new("L", (side, side), 0)
    mask.paste(inner, (2 * rim, 2 * rim))
    return mask.filter(ImageFilter.GaussianBlur(rim))


def _blank(number: int) -> Image.Image:
    return render_blank(f"scene_{number:05d}.jpg", size=FRAME)


def _made(world: World, name: str, draw: Callable[[], Image.Image]) -> Path:
    path = world.folder.parent / "scenes" / f"{name}.png"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        draw().save(path)
    return path


def _tested(world: World, entity: Entity) -> list[Path]:
    """Pictures that are in no request."""
    paths = world.drawn(entity, len(PICTURES))
    return [path for path, role in zip(paths, PICTURES, strict=True) if role == "test"]


def hits_of(scene: Scene, reached: set[str], experts: Mapping[Entity, str]) -> Hits:
    """What became of a scene that reached these experts; `experts` are those of what is to be forgotten."""
    wanted = {experts[entity] for entity in scene.shown if entity in experts}
    over = bool(reached - wanted)
    if not wanted:
        return Hits(None, None, over)
    return Hits(wanted <= reached, bool(wanted & reached), over)


def _milliseconds(gate: Gate, scenes: Sequence[Scene]) -> float:
    """Of a query with the encoder's time, in pictures that it has not looked at."""
    some = scenes[:: max(1, len(scenes) // TIMED)]
    features = OwnEncoders()
    gate.route([asked_about(some[0].picture)], features)
    start = time.process_time()
    for scene in some[1:]:
        gate.route([asked_about(scene.picture)], features)
    return 1000 * (time.process_time() - start) / (len(some) - 1)


def asked_about(picture: Path) -> GateQuery:
    """A query that names nobody."""
    return GateQuery(picture, SHOWN)


def _entities(world: World, what: str, count: int) -> list[Entity]:
    place = "".join(letter for letter in world.name if letter.isalnum())
    return [Entity("Personage", f"{what}_{place}_{number}") for number in range(count)]
