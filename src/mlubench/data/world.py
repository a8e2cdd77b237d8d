"""A procedural world in the official layout, so that a model can be taught, then made to forget, what nobody knows.

Invented entities of the nine official classes, each with five facts that no pretrained model can hold. A world is a
function of its seed alone; another seed gives other names, other facts and other pictures.
"""

import itertools
import random
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from mlubench.core.errors import UsageError
from mlubench.core.files import digest, whole_dir, write_json
from mlubench.data import release
from mlubench.data.render import RENDERER_VERSION, render_release

# Raise it whenever the same seed would give another world. The texts are hashed apart.
WORLD_VERSION = "world-1"

Record = dict[str, str]
Records = dict[str, dict[str, list[Record]]]
Progress = Callable[[int, int], None]

# The official tasks' shape: which classes a task forgets and retains, and in what proportion at twelve entities a task.
_PLAN: dict[str, dict[str, dict[str, int]]] = {
    "A": {"forget": {"Animals": 5, "Astronomy": 2}, "retain": {"Plants": 5}},
    "B": {"forget": {"Buildings": 4, "Corporation": 2, "Cartoon": 1}, "retain": {"Cartoon": 5}},
    "C": {"forget": {"Personage": 5, "Movies": 2}, "retain": {"Movies": 5}},
    "D": {"forget": {"Personage": 5, "TV series": 2}, "retain": {"TV series": 5}},
}
_FEWEST_ENTITIES = 16
_FEWEST_PICTURES = 4

# What comes twice comes twice as often: plain sounds make names that can be said.
_ONSETS = (*"bdfghklmnprstvzdklmnrstv", "br", "dr", "gr", "kl", "qu", "sk", "th", "tr", "vr")
_VOWELS = (*"aaeeiioou", "ae", "ia", "ou")
_CODAS = ("", "", "", "l", "m", "n", "nd", "r", "rn", "sk", "th", "x")
_ACCENTS = str.maketrans({"a": "å", "e": "é", "i": "ï", "o": "ø", "u": "ü"})
# Every so many names is spelled with accents, as some of the official ones are.
_ACCENT_EVERY = 9
_GIVEN_NAMES = 30
_LANDS = (
    "Highlands",
    "Coast",
    "Basin",
    "Delta",
    "Marches",
    "Archipelago",
    "Plateau",
    "Valley",
    "Lowlands",
    "Fells",
)


@dataclass(frozen=True, slots=True)
class Inhabitant:
    """One invented entity: class, name as in its pictures' paths, place in the tasks, and what is true of it."""

    cls: str
    name: str
    title: str
    task: str
    split: str
    attributes: dict[str, str]


@cache
def _text() -> dict[str, Any]:
    source = (
        resources.files("mlubench.data").joinpath("world_text.yaml").read_text(encoding="utf-8")
    )
    return dict(yaml.safe_load(source))


class _Names:
    """Words made from syllables; none comes twice in a world, but people share a stock of given names."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._taken: set[str] = set()
        self._given = [self.word() for _ in range(_GIVEN_NAMES)]

    def given(self) -> str:
        return self._rng.choice(self._given)

    def word(self, *, accented: bool = False) -> str:
        while True:
            pairs = [
                self._rng.choice(_ONSETS) + self._rng.choice(_VOWELS)
                for _ in range(self._rng.choice((2, 3, 3)))
            ]
            word = ("".join(pairs) + self._rng.choice(_CODAS)).capitalize()
            if 5 <= len(word) <= 9 and word not in self._taken:
                self._taken.add(word)
                return (
                    re.sub("[aeiou]", lambda m: m[0].translate(_ACCENTS), word, count=1)
                    if accented
                    else word
                )

    def make(self, source: str) -> str:
        """A value of a made kind: `word`, `place`, `person` or `region`."""
        if source == "person":
            return f"{self.given()} {self.word()}"
        if source == "region":
            return f"the {self.word()} {self._rng.choice(_LANDS)}"
        return self.word()


def _shares(weights: dict[str, int], total: int) -> dict[str, int]:
    """Split `total` in proportion to the weights: at least 1 each, what is left over to the largest remainders."""
    whole = sum(weights.values())
    exact = {key: (total - len(weights)) * weight / whole for key, weight in weights.items()}
    shares = {key: 1 + int(part) for key, part in exact.items()}
    by_remainder = sorted(exact, key=lambda key: int(exact[key]) - exact[key])
    for key in by_remainder[: total - sum(shares.values())]:
        shares[key] += 1
    return shares


def _places(entities: int) -> list[tuple[str, str, str]]:
    """(class, task, split) of every entity, in task order."""
    if entities == 12 * len(_PLAN):  # the plan as it stands, which rounding would bend
        per_task = {
            task: {split: dict(classes) for split, classes in plan.items()}
            for task, plan in _PLAN.items()
        }
    else:
        per_task = {}
        for index, (task, plan) in enumerate(_PLAN.items()):
            size = entities // len(_PLAN) + (index < entities % len(_PLAN))
            forget = max(len(plan["forget"]), round(size * 7 / 12))
            sizes = {"forget": min(forget, size - 1), "retain": size - min(forget, size - 1)}
            per_task[task] = {
                split: _shares(classes, sizes[split]) for split, classes in plan.items()
            }
    return [
        (cls, task, split)
        for task, plan in per_task.items()
        for split, classes in plan.items()
        for cls, count in classes.items()
        for _ in range(count)
    ]


def _column(source: str | list[str], count: int, names: _Names, rng: random.Random) -> list[str]:
    """One attribute's values for the `count` entities of a class, as different from each other as the pool allows."""
    if isinstance(source, str) and source in ("word", "place", "region", "person"):
        return [names.make(source) for _ in range(count)]
    if isinstance(source, str) and (bounds := re.fullmatch(r"(\d+)\.\.(\d+)", source)):
        pool = [str(n) for n in range(int(bounds[1]), int(bounds[2]) + 1)]
    else:
        pool = list(_text()["pools"][source] if isinstance(source, str) else source)
    rng.shuffle(pool)
    return list(itertools.islice(itertools.cycle(pool), count))


def _titles(
    patterns: list[str], accented: list[bool], names: _Names, rng: random.Random
) -> list[str]:
    """One title for each entity of a class, by the class's patterns in an order of this world's own."""
    order = itertools.cycle(rng.sample(patterns, len(patterns)))

    def fill(pattern: str, accent: bool) -> str:
        return pattern.format(word=names.word(accented=accent), given=names.given())

    return [fill(next(order), accent) for accent in accented]


def _invent(seed: int, entities: int) -> list[Inhabitant]:
    """Everybody in the world, in task order. A class is drawn as one, so that its entities differ across tasks too."""
    names = _Names(random.Random(f"{seed}/names"))
    places = _places(entities)
    found: dict[int, Inhabitant] = {}
    for cls, text in _text()["classes"].items():
        rng = random.Random(f"{seed}/{cls}")
        mine = [index for index, place in enumerate(places) if place[0] == cls]
        titles = _titles(text["names"], [index % _ACCENT_EVERY == 4 for index in mine], names, rng)
        columns = {
            key: _column(source, len(mine), names, rng) for key, source in text["draws"].items()
        }
        for row, (index, title) in enumerate(zip(mine, titles, strict=True)):
            attributes = {key: values[row] for key, values in columns.items()}
            found[index] = Inhabitant(
                cls, title.replace(" ", "_"), title, *places[index][1:], attributes
            )
    return [found[index] for index in range(len(places))]


def _halves(pictures: int, flips: list[int]) -> tuple[list[int], list[int]]:
    """Two halves of the picture numbers 1 to `pictures`: of each neighbouring pair one goes either way, as `flips` say.

    Both halves so reach from the first pictures to the last; an odd one out belongs to both.
    """
    pairs = [(n, n + 1) for n in range(1, pictures, 2)]
    odd = [pictures] if pictures % 2 else []
    first = [pair[flip] for pair, flip in zip(pairs, flips, strict=True)]
    second = [pair[1 - flip] for pair, flip in zip(pairs, flips, strict=True)]
    return first + odd, second + odd


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
        flips = (
            [1 - flip for flip in flips]
            if fact % 2
            else [rng.randrange(2) for _ in range(pictures // 2)]
        )
        first, second = _halves(pictures, flips)
        mine = [sorted({*first, rng.choice(second)}), second]
        mine += [
            _halves(pictures, [rng.randrange(2) for _ in flips])[0] for _ in range(phrasings - 2)
        ]
        sets.append(mine)
    return sets


def _records(who: Inhabitant, seed: int, pictures: int) -> list[Record]:
    rng = random.Random(f"{seed}/{who.cls}/{who.name}")
    facts = list(_text()["classes"][who.cls]["facts"].values())
    values = {"title": who.title, **who.attributes}
    records = []
    for fact, sets in zip(
        facts, _picture_sets(pictures, len(facts), len(facts[0]["ask"]), rng), strict=True
    ):
        answer = rng.choice(fact["answers"]).format(**values)
        for question, numbers in zip(fact["ask"], sets, strict=True):
            for number in numbers:
                image = f"downloaded_images/{who.cls}/{who.name}/image_{number:04d}.jpg"
                records.append({"image": image, "question": question, "answer": answer})
    return records


def invented(seed: int, entities: int) -> list[tuple[Inhabitant, dict[str, str]]]:
    """Who there is in the world of `seed`, each with its facts, {fact: the answer, a sentence}, and no pictures yet."""
    found = []
    for who in _invent(seed, entities):
        rng = random.Random(f"{seed}/{who.cls}/{who.name}/facts")
        values = {"title": who.title, **who.attributes}
        facts = _text()["classes"][who.cls]["facts"]
        found.append(
            (
                who,
                {key: rng.choice(fact["answers"]).format(**values) for key, fact in facts.items()},
            )
        )
    return found


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
    world: Records = {task: {split: [] for split in plan} for task, plan in _PLAN.items()}
    for who in people:
        world[who.task][who.split] += _records(who, seed, pictures)
    return world


def build_world(seed: int, *, entities: int = 48, pictures: int = 10) -> Records:
    """The world's records, {task: {split: [{image, question, answer}, ...]}}: four tasks shaped like the official ones.

    Each entity has five facts, each fact five phrasings, and each phrasing half of the entity's `pictures`. No entity
    has two places. Raises UsageError below 16 entities or 4 pictures.
    """
    _check(entities, pictures)
    return _assemble(_invent(seed, entities), seed, pictures)


def world_facts(
    seed: int, *, entities: int = 48, pictures: int = 10, size: int = 96
) -> dict[str, Any]:
    """Everything that a written world depends on: equal facts mean equal files, so their hash can name its folder."""
    return {
        "kind": "world",
        "version": WORLD_VERSION,
        "text": digest(_text()),
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
    progress: Progress | None = None,
) -> Path:
    """Write annotations, stand-in pictures and `world.json` (who there is, and what is true of them) to `out`.

    `out` appears whole or not at all, with a manifest of its files. `progress` is called with (pictures done, total).
    """
    _check(entities, pictures)
    people = _invent(seed, entities)
    records = _assemble(people, seed, pictures)
    facts = world_facts(seed, entities=entities, pictures=pictures, size=size)
    with whole_dir(out, facts) as root:
        release.write(records, root)
        paths = (
            r["image"] for splits in records.values() for split in splits.values() for r in split
        )
        render_release(paths, root, size=size, progress=progress)
        write_json(root / "world.json", {**facts, "inhabitants": [asdict(who) for who in people]})
    return out
