"""Who there is in a drawn world: invented entities of the nine official classes, and what is true of each.

Each has five facts that no pretrained model can hold. Who there is depends on the seed and on how many are asked for.
"""

import itertools
import random
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TypedDict

import yaml

# Classes to forget and to retain, each with how many entities it has.
TaskPlan = dict[str, dict[str, int]]

# The official tasks' shape: which classes a task forgets and retains, and in what proportion at twelve entities a task.
PLAN: dict[str, TaskPlan] = {
    "A": {"forget": {"Animals": 5, "Astronomy": 2}, "retain": {"Plants": 5}},
    "B": {"forget": {"Buildings": 4, "Corporation": 2, "Cartoon": 1}, "retain": {"Cartoon": 5}},
    "C": {"forget": {"Personage": 5, "Movies": 2}, "retain": {"Movies": 5}},
    "D": {"forget": {"Personage": 5, "TV series": 2}, "retain": {"TV series": 5}},
}


class _FactText(TypedDict):
    """One thing that can be asked of a class."""

    ask: list[str]  # its phrasings
    answers: list[str]  # one is drawn for each entity; braces are filled with its attributes


class _ClassText(TypedDict):
    """What there is to say of a class."""

    names: list[str]  # patterns with {word} or {given}
    draws: dict[
        str, str | list[str]
    ]  # attribute -> where its values come from, as `_column` reads it
    facts: dict[str, _FactText]


class _WorldText(TypedDict):
    """What `world_text.yaml` holds."""

    pools: dict[str, list[str]]
    classes: dict[str, _ClassText]


# Parts of syllables. What stands twice is drawn twice as often: plain sounds make names that can be said.
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
    """One invented entity."""

    cls: str
    name: str  # as in the paths of its pictures
    title: str  # as in its answers
    # Where it is forgotten or retained.
    task: str
    split: str
    # What is true of it, which its answers tell.
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the tasks an entity of a class stands."""

    cls: str
    task: str
    split: str


@cache
def world_text() -> _WorldText:
    """All words of a world. The file is part of the package, so it is what its type says."""
    source = resources.files("mlubench.data").joinpath("world_text.yaml")
    text: _WorldText = yaml.safe_load(source.read_text(encoding="utf-8"))
    return text


class _Names:
    """Words made from syllables; none comes twice in a world, but people share a stock of given names."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._taken: set[str] = set()
        self._given = [self.word() for _ in range(_GIVEN_NAMES)]

    def given(self) -> str:
        return self._rng.choice(self._given)

    def word(self, *, accented: bool = False) -> str:
        """A new word. Draws until it is of a good length and was not drawn before."""
        while True:
            word = ""
            for _ in range(self._rng.choice((2, 3, 3))):
                word += self._rng.choice(_ONSETS) + self._rng.choice(_VOWELS)
            word = (word + self._rng.choice(_CODAS)).capitalize()
            if 5 <= len(word) <= 9 and word not in self._taken:
                self._taken.add(word)
                return _accented(word) if accented else word

    def make(self, source: str) -> str:
        """A value of a made kind: `word`, `place`, `person` or `region`."""
        if source == "person":
            return f"{self.given()} {self.word()}"
        if source == "region":
            return f"the {self.word()} {self._rng.choice(_LANDS)}"
        return self.word()


def _accented(word: str) -> str:
    """The word with an accent on its first small vowel."""
    return re.sub("[aeiou]", lambda vowel: vowel[0].translate(_ACCENTS), word, count=1)


def _shares(weights: dict[str, int], total: int) -> dict[str, int]:
    """Split `total` in proportion to the weights: at least 1 each, what is left over to the largest remainders."""
    # One for each key is put aside first; the rest is shared by weight and rounded down.
    whole = sum(weights.values())
    exact = {key: (total - len(weights)) * weight / whole for key, weight in weights.items()}
    shares = {key: 1 + int(part) for key, part in exact.items()}
    left_over = total - sum(shares.values())
    by_remainder = sorted(exact, key=lambda key: int(exact[key]) - exact[key])
    for key in by_remainder[:left_over]:
        shares[key] += 1
    return shares


def _places(entities: int) -> list[_Place]:
    """A place for every entity, in task order."""
    places: list[_Place] = []
    for task, plan in _scaled_plan(entities).items():
        for split, classes in plan.items():
            for cls, count in classes.items():
                places += [_Place(cls, task, split)] * count
    return places


def _scaled_plan(entities: int) -> dict[str, TaskPlan]:
    """How many entities of each class a task forgets and retains, where there are so many in all."""
    if entities == 12 * len(PLAN):
        return PLAN  # as it stands, since rounding would bend it
    scaled: dict[str, TaskPlan] = {}
    for index, (task, plan) in enumerate(PLAN.items()):
        # What does not divide evenly goes to the first tasks.
        size = entities // len(PLAN) + (index < entities % len(PLAN))
        # Seven of twelve are forgotten, as in the plan, but at least one of each class, and one entity is kept.
        forget = max(len(plan["forget"]), round(size * 7 / 12))
        forget = min(forget, size - 1)
        scaled[task] = {
            "forget": _shares(plan["forget"], forget),
            "retain": _shares(plan["retain"], size - forget),
        }
    return scaled


def _column(source: str | list[str], count: int, names: _Names, rng: random.Random) -> list[str]:
    """One attribute's values for the `count` entities of a class, as different from each other as the pool allows.

    `source` is a kind of made name, a range of numbers ("1850..1990"), the name of a pool, or the values themselves.
    """
    if isinstance(source, str) and source in ("word", "place", "region", "person"):
        return [names.make(source) for _ in range(count)]
    pool = _pool(source)
    rng.shuffle(pool)
    return list(itertools.islice(itertools.cycle(pool), count))


def _pool(source: str | list[str]) -> list[str]:
    if not isinstance(source, str):
        return list(source)
    bounds = re.fullmatch(r"(\d+)\.\.(\d+)", source)
    if bounds:
        return [str(number) for number in range(int(bounds[1]), int(bounds[2]) + 1)]
    return list(world_text()["pools"][source])


def _titles(
    patterns: list[str], accented: list[bool], names: _Names, rng: random.Random
) -> list[str]:
    """One title for each entity of a class, by the class's patterns in an order of this world's own."""
    order = itertools.cycle(rng.sample(patterns, len(patterns)))
    titles = []
    for accent in accented:
        # Both are drawn for every title, also where the pattern takes one: the stream of draws depends on it.
        word = names.word(accented=accent)
        titles.append(next(order).format(word=word, given=names.given()))
    return titles


def invent(seed: int, entities: int) -> list[Inhabitant]:
    """Everybody in the world, in task order. A class is drawn as one, so that its entities differ across tasks too."""
    names = _Names(random.Random(f"{seed}/names"))
    places = _places(entities)
    found: dict[int, Inhabitant] = {}
    for cls, text in world_text()["classes"].items():
        rng = random.Random(f"{seed}/{cls}")
        indices = [index for index, place in enumerate(places) if place.cls == cls]
        accented = [index % _ACCENT_EVERY == 4 for index in indices]
        titles = _titles(text["names"], accented, names, rng)
        columns: dict[str, list[str]] = {}  # attribute -> one value for each entity of the class
        for key, source in text["draws"].items():
            columns[key] = _column(source, len(indices), names, rng)
        for row, index in enumerate(indices):
            found[index] = Inhabitant(
                cls=cls,
                name=titles[row].replace(" ", "_"),
                title=titles[row],
                task=places[index].task,
                split=places[index].split,
                attributes={key: values[row] for key, values in columns.items()},
            )
    return [found[index] for index in range(len(places))]


def invented(seed: int, entities: int) -> list[tuple[Inhabitant, dict[str, str]]]:
    """Who there is in the world of `seed`, each with its facts, {fact: the answer, a sentence}, and no pictures yet."""
    found = []
    for who in invent(seed, entities):
        rng = random.Random(f"{seed}/{who.cls}/{who.name}/facts")
        values = {"title": who.title, **who.attributes}
        answers: dict[str, str] = {}
        for key, fact in world_text()["classes"][who.cls]["facts"].items():
            answers[key] = rng.choice(fact["answers"]).format(**values)
        found.append((who, answers))
    return found
