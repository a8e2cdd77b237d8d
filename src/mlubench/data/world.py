"""A procedural world in the official layout, so that a model can be taught, then made to forget, what nobody knows.

`inhabitants.py` says who there is. A world is a function of its seed alone; another seed gives other names, other facts
and other pictures.
"""

import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlubench.core.errors import UsageError
from mlubench.core.files import digest, whole_dir, write_json
from mlubench.data import release
from mlubench.data.inhabitants import PLAN, Inhabitant, invent, world_text
from mlubench.data.render import RENDERER_VERSION, render_release

# Raise it whenever the same seed would give another world. The texts are hashed apart.
WORLD_VERSION = "world-1"

Record = dict[str, str]  # image, question and answer
Records = dict[str, dict[str, list[Record]]]  # by task and split

_FEWEST_ENTITIES = 16
_FEWEST_PICTURES = 4


def _halves(pictures: int, flips: list[int]) -> tuple[list[int], list[int]]:
    """Two halves of the picture numbers 1 to `pictures`: of each neighbouring pair one goes either way, as `flips` say.

    Both halves so reach from the first pictures to the last; an odd one out belongs to both.
    """
    first: list[int] = []
    second: list[int] = []
    for number, flip in zip(range(1, pictures, 2), flips, strict=True):
        pair = (number, number + 1)
        first.append(pair[flip])
        second.append(pair[1 - flip])
    if pictures % 2:
        first.append(pictures)
        second.append(pictures)
    return first, second


def _draw_flips(pictures: int, rng: random.Random) -> list[int]:
    """0 or 1 for each pair of pictures."""
    return [rng.randrange(2) for _ in range(pictures // 2)]


def _picture_sets(
    pictures: int, facts: int, phrasings: int, rng: random.Random
) -> list[list[list[int]]]:
    """Picture numbers by fact and phrasing.

    The second phrasing takes what the first left, so every fact is asked of every picture. Facts take turns in which
    half their first phrasing gets, so that it sees all of an entity's pictures. It gets one more, because unlearning
    trains on it: whichever half of an even number of pictures becomes `fit`, each fact has a sample to be trained on.
    """
    sets: list[list[list[int]]] = []
    flips: list[int] = []
    for fact in range(facts):
        # Every second fact turns round what the one before it drew: facts take turns.
        flips = [1 - flip for flip in flips] if fact % 2 else _draw_flips(pictures, rng)
        first, second = _halves(pictures, flips)
        one_more = rng.choice(second)
        by_phrasing = [sorted({*first, one_more}), second]
        for _ in range(phrasings - 2):
            half, _ = _halves(pictures, _draw_flips(pictures, rng))
            by_phrasing.append(half)
        sets.append(by_phrasing)
    return sets


def _records(who: Inhabitant, seed: int, pictures: int) -> list[Record]:
    rng = random.Random(f"{seed}/{who.cls}/{who.name}")
    facts = list(world_text()["classes"][who.cls]["facts"].values())
    values = {"title": who.title, **who.attributes}
    # All sets before the first answer: the order of the draws.
    sets = _picture_sets(pictures, len(facts), len(facts[0]["ask"]), rng)
    records = []
    for fact, by_phrasing in zip(facts, sets, strict=True):
        answer = rng.choice(fact["answers"]).format(**values)
        for question, numbers in zip(fact["ask"], by_phrasing, strict=True):
            for number in numbers:
                image = f"downloaded_images/{who.cls}/{who.name}/image_{number:04d}.jpg"
                records.append({"image": image, "question": question, "answer": answer})
    return records


def _check(entities: int, pictures: int) -> None:
    if entities < _FEWEST_ENTITIES:
        raise UsageError(
            f"a world needs at least {_FEWEST_ENTITIES} entities, got {entities}", "Ask for more."
        )
    if pictures < _FEWEST_PICTURES:
        raise UsageError(
            f"an entity needs at least {_FEWEST_PICTURES} pictures, got {pictures}", "Ask for more."
        )


def _assemble(people: list[Inhabitant], seed: int, pictures: int) -> Records:
    world: Records = {}
    for task, plan in PLAN.items():
        world[task] = {split: [] for split in plan}
    for who in people:
        world[who.task][who.split] += _records(who, seed, pictures)
    return world


def build_world(seed: int, *, entities: int = 48, pictures: int = 10) -> Records:
    """The world's records, {task: {split: [{image, question, answer}, ...]}}: four tasks shaped like the official ones.

    Each entity has five facts, each fact five phrasings, and each phrasing half of the entity's `pictures`. No entity
    has two places. Raises UsageError below 16 entities or 4 pictures.
    """
    _check(entities, pictures)
    return _assemble(invent(seed, entities), seed, pictures)


def world_facts(
    seed: int, *, entities: int = 48, pictures: int = 10, size: int = 96
) -> dict[str, Any]:
    """Everything that a written world depends on: equal facts mean equal files, so their hash can name its folder."""
    return {
        "kind": "world",
        "version": WORLD_VERSION,
        "text": digest(world_text()),
        "renderer": RENDERER_VERSION,
        "seed": seed,
        "entities": entities,
        "pictures": pictures,
        "size": size,
    }


def write_world(
    seed: int,
    out: Path,
    *,
    entities: int = 48,
    pictures: int = 10,
    size: int = 96,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write annotations, stand-in pictures and `world.json` (who there is, and what is true of them) to `out`.

    `out` appears whole or not at all, with a manifest of its files. `progress` is called with (pictures done, total).
    """
    _check(entities, pictures)
    people = invent(seed, entities)
    records = _assemble(people, seed, pictures)
    facts = world_facts(seed, entities=entities, pictures=pictures, size=size)
    with whole_dir(out, facts) as root:
        release.write(records, root)
        paths: set[str] = set()
        for splits in records.values():
            for rows in splits.values():
                paths |= {row["image"] for row in rows}
        render_release(paths, root, size=size, progress=progress)
        write_json(root / "world.json", {**facts, "inhabitants": [asdict(who) for who in people]})
    return out
