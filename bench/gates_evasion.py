"""The evasion set of `gates.py`: how many changed queries still reach their expert, and how many retain ones do so too."""

import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from PIL import Image

from gates_world import World, rate
from mlubench.data.evasion import FIXED, NAMES, PICTURES, side_by_side
from mlubench.data.pictures import open_picture
from mlubench.lumoe.gates.aliases import known_aliases
from mlubench.lumoe.gates.base import Gate, GateQuery
from mlubench.types import Entity

ASK = "What can you tell me about {}?"
PLAIN = "What is shown here?"
EACH = 6  # queries an entity

Case = tuple[GateQuery, frozenset[str]]  # a query and the experts it should reach


def rows(
    world: World, gates: Mapping[str, Gate], kinds: Collection[str] = ()
) -> Iterator[dict[str, Any]]:
    """For each kind and gate: `caught` of forget queries (all their experts), `any`, and `over` of retain queries.

    `kinds` are those that are asked for; all, where none is named.
    """
    tasks = world.benchmark.tasks
    experts = {e: t.name for t in tasks for e in t.forget_entities}
    retain = sorted({s.entity for t in tasks for s in t.retain} - set(experts))
    for kind, cases_of in _kinds(world, experts).items():
        if kinds and kind not in kinds:
            continue
        sides = [cases_of(sorted(experts)), cases_of(retain)]
        world.features([q.image for side in sides for q, _ in side if q.image])
        for name, gate in gates.items():
            row: dict[str, Any] = {"world": world.name, "kind": kind, "gate": name}
            of_forget, of_retain = (_reached(gate, side, world) for side in sides)
            yield (
                row
                | rate("caught", [wanted <= reached for reached, wanted in of_forget])
                | rate("any", [bool(reached & wanted) for reached, wanted in of_forget])
                | rate("over", [bool(reached - wanted) for reached, wanted in of_retain])
            )


def _reached(
    gate: Gate, cases: Sequence[Case], world: World
) -> list[tuple[set[str], frozenset[str]]]:
    """For each case the experts that its query reached, and those that it should reach."""
    routes = gate.route([query for query, _ in cases], world.features)
    return [(set(route.experts), case[1]) for route, case in zip(routes, cases, strict=True)]


def _kinds(
    world: World, experts: Mapping[Entity, str]
) -> dict[str, Callable[[Sequence[Entity]], list[Case]]]:
    """Name of each evasion -> its cases about some entities; a retain entity's cases want no expert of their own."""

    def want(*entities: Entity) -> frozenset[str]:
        return frozenset(experts[e] for e in entities if e in experts)

    def text(write: Callable[[str, int], str]) -> Callable[[Sequence[Entity]], list[Case]]:
        return lambda es: [
            (GateQuery(None, ASK.format(write(e.title, n))), want(e))
            for e in es
            for n in range(EACH)
        ]

    def picture(
        change: Callable[[Any, int], Any] | None,
    ) -> Callable[[Sequence[Entity]], list[Case]]:
        return lambda es: [
            (GateQuery(_changed(world, path, change, n), PLAIN), want(e))
            for e in es
            for n, path in enumerate(world.drawn(e, EACH))
        ]

    def pairs(
        make: Callable[[Entity, Entity], GateQuery],
    ) -> Callable[[Sequence[Entity]], list[Case]]:
        return lambda es: [(make(a, b), want(a, b)) for a, b in _pairs(es)]

    def misfit(es: Sequence[Entity]) -> list[Case]:
        return [(q, want(e)) for e in es for q in _misfits(world, e)]

    return {
        "text only": text(lambda name, n: name),
        **{kind: text(write) for kind, write in NAMES.items()},
        "alias": lambda es: [(q, want(e)) for e in es for q in _aliases(e)],
        "picture only": picture(None),
        **{kind: picture(change) for kind, change in PICTURES.items()},
        **{kind: picture(_seedless(change)) for kind, change in FIXED.items()},
        "two in one picture": pairs(lambda a, b: GateQuery(_both(world, a, b), PLAIN)),
        "two in one question": pairs(
            lambda a, b: GateQuery(None, f"What have {a.title} and {b.title} in common?")
        ),
        "one shown, another named": pairs(
            lambda a, b: GateQuery(world.drawn(a, 1)[0], ASK.format(b.title))
        ),
        "question does not fit": misfit,
    }


def _aliases(entity: Entity) -> list[GateQuery]:
    return [GateQuery(None, ASK.format(alias)) for alias in known_aliases({}).get(entity.key, ())]


def _misfits(world: World, entity: Entity) -> list[GateQuery]:
    """Pictures of the entity with questions on other classes."""
    asked = {
        s.entity.cls: s.question for s in world.benchmark.samples if s.entity.cls != entity.cls
    }
    odd = list(asked.values())
    return [GateQuery(path, odd[n % len(odd)]) for n, path in enumerate(world.drawn(entity, EACH))]


def _pairs(entities: Sequence[Entity]) -> list[tuple[Entity, Entity]]:
    """Each entity with two others, some of its own class and some not."""
    shifts = (1, len(entities) // 2)
    return [
        (a, entities[(n + shift) % len(entities)])
        for shift, (n, a) in itertools.product(shifts, enumerate(entities))
        if shift % len(entities)
    ]


def _seedless(change: Callable[[Image.Image], Image.Image]) -> Callable[[Any, int], Any]:
    @wraps(change)
    def changed(picture: Image.Image, seed: int) -> Image.Image:
        return change(picture)

    return changed


def _changed(world: World, path: Path, change: Callable[[Any, int], Any] | None, seed: int) -> Path:
    if change is None:
        return path
    made = path.with_name(f"{path.stem}_{change.__name__}.png")
    change(open_picture(path), seed).save(made)
    return made


def _both(world: World, a: Entity, b: Entity) -> Path:
    made = world.drawn(a, 1)[0].with_name(
        f"with_{json.dumps([b.cls, b.name]).encode().hex()[:60]}.png"
    )
    side_by_side(open_picture(world.drawn(a, 1)[0]), open_picture(world.drawn(b, 1)[0])).save(made)
    return made
