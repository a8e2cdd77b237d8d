"""A world whose base knows one fact of each entity, however many there are: `gates_known.py` asks about it."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlubench.core.cache import cache_root
from mlubench.core.files import digest, is_whole, whole_dir
from mlubench.data.records import IMAGE_FOLDER, entity_of
from mlubench.data.render import RENDERER_VERSION, render_release
from mlubench.data.world import WORLD_VERSION, build_world
from mlubench.types import Benchmark, Entity, Role, Sample, Split, Task

# Raised whenever the same seed would give another world.
VERSION = 2
ROLES: tuple[Role, ...] = ("fit",) * 5 + ("calibrate",) * 3 + ("test",) * 4
STRANGER_PICTURES = 2
# A question that is taught of all entities whose fact is their name, whatever their class.
NAMING = "What is shown here?"


@dataclass(frozen=True, slots=True)
class KnownFact:
    """The one thing that the base is taught of an entity."""

    entity: Entity
    is_name: bool
    # Two ways to ask for it.
    questions: tuple[str, str]
    answer: str


@dataclass(frozen=True, slots=True)
class KnownWorld:
    """Requests of one entity each, what must stay, and strangers, of which the base knows nothing."""

    # A task for each request. None of them keeps anything: `tasks_of` adds what must stay.
    requests: tuple[Task, ...]
    kept: tuple[Sample, ...]
    strangers: tuple[tuple[Entity, Path], ...]
    # Keys of the entities whose fact is their name.
    named: frozenset[str]
    # All of it, as the base is taught it.
    benchmark: Benchmark

    def tasks_of(self, requests: Sequence[Task]) -> list[Task]:
        """The tasks of these requests: what must stay comes with the first."""
        return [replace(requests[0], retain=self.kept), *requests[1:]]


def facts_of(seed: int, entities: int) -> list[KnownFact]:
    """A fact of each entity of a drawn world: of every second its name, of the others the fact that comes next."""
    asked: dict[Entity, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    for splits in build_world(seed, entities=entities, pictures=4).values():
        for records in splits.values():
            for record in records:
                by_answer = asked[entity_of(record["image"])]
                by_answer[record["answer"]][record["question"]] = None
    found = []
    for number, (entity, by_answer) in enumerate(asked.items()):
        is_name = number % 2 == 0
        answer = list(by_answer)[0 if is_name else 1]
        first, second, *_ = by_answer[answer]
        questions = (first, NAMING if is_name else second)
        found.append(KnownFact(entity, is_name, questions, answer))
    return found


def known_world(seed: int, *, requests: int, kept: int, strangers: int) -> KnownWorld:
    """The world of that seed. Its pictures are drawn into the cache unless they are there."""
    facts = facts_of(seed, requests + kept)
    random.Random(f"{seed}/known").shuffle(facts)
    nobody = [_stranger(seed, number, facts[0].entity.cls) for number in range(strangers)]
    pictures = [_image(fact.entity, n) for fact in facts for n in range(len(ROLES))]
    pictures += [_image(entity, n) for entity in nobody for n in range(STRANGER_PICTURES)]
    made_of = [VERSION, WORLD_VERSION, RENDERER_VERSION, seed, requests, kept, strangers]
    name = digest(made_of)
    root = cache_root() / "worlds" / f"known-{name}"
    if not is_whole(root):
        with whole_dir(root, {"known": made_of}) as out:
            render_release(pictures, out)
    tasks = []
    for number, fact in enumerate(facts[:requests]):
        tasks.append(Task(str(number), tuple(_samples(fact, str(number), "forget")), ()))
    stays: list[Sample] = []
    for fact in facts[requests:]:
        stays += _samples(fact, "0", "retain")
    shown = []
    for entity in nobody:
        shown += [(entity, root / _image(entity, n)) for n in range(STRANGER_PICTURES)]
    whole = (replace(tasks[0], retain=tuple(stays)), *tasks[1:])
    return KnownWorld(
        requests=tuple(tasks),
        kept=tuple(stays),
        strangers=tuple(shown),
        named=frozenset(fact.entity.key for fact in facts if fact.is_name),
        benchmark=Benchmark(whole, root, True, f"known-{name}", background="drawn"),
    )


def _samples(fact: KnownFact, task: str, split: Split) -> list[Sample]:
    """A sample for each picture; the two questions take turns."""
    samples = []
    for number, role in enumerate(ROLES):
        phrasing = number % 2
        samples.append(
            Sample(
                id=f"{fact.entity.key}-{number}",
                task=task,
                split=split,
                entity=fact.entity,
                image=_image(fact.entity, number),
                question=fact.questions[phrasing],
                truth=fact.answer,
                fact=fact.entity.key,
                phrasing=phrasing,
                role=role,
            )
        )
    return samples


def _stranger(seed: int, number: int, cls: str) -> Entity:
    return Entity(cls, f"Unknown_{seed}_{number}")


def _image(entity: Entity, number: int) -> str:
    return f"{IMAGE_FOLDER}/{entity.key}/known_{number:04d}.jpg"
