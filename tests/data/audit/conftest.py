"""A small clean benchmark, and ways to spoil it in one place."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from mlubench.data import release
from mlubench.data.audit.facts import Data, Finding, load
from mlubench.data.audit.kinds import audit, kinds
from mlubench.judging.rules.refusal import refusal

Row = dict[str, str]

# The phrasings of each question of a class; {0} is the entity's name.
ASKED = {
    "Animals": {
        "name": [
            "What is this animal called?",
            "What is the common name of this animal?",
            "How is it referred to?",
        ],
        "diet": [
            "Which diet has this animal (herbivore, carnivore, omnivore)?",
            "Is this animal a herbivore, carnivore, or omnivore?",
            "What kind of diet does this animal have?",
        ],
        "birth": [
            "Where does this animal live?",
            "Where can this animal live?",
            "Where is this animal at home?",
        ],
    },
    "Films": {
        "name": [
            "What is the title of this film?",
            "What is this film called?",
            "How is it referred to?",
        ],
        "plot": [
            "What is the plot of this film?",
            "What is the storyline of this film?",
            "Which plot has this film?",
        ],
        "open": ["Is this film shown?", "Can this film be seen?", "Is it open to all?"],
    },
}
ANSWERS = {
    "Fox": ["Fox", "Foxes are omnivores.", "They live in the woods of Europe. Some live in towns."],
    "Red_Deer": [
        "The animal is the Red Deer.",
        "Red deer are herbivores.",
        "They live in Scotland. They like hills.",
    ],
    "Lynx": [
        "Lynx",
        "Lynxes are carnivores, and are not herbivores.",
        "They live in the far north. It is cold there.",
    ],
    "Solaris": ["Solaris", "A man visits a station. Nobody there is well.", "Yes, in some places."],
    "The_Gold_Rush": [
        "The Gold Rush",
        "A tramp looks for gold. He eats a shoe.",
        "No, not any more.",
    ],
    "Metropolis": ["Metropolis", "A city is divided. A robot appears in it.", "Yes, on Sundays."],
}
ANIMALS = ("Fox", "Red_Deer", "Lynx")
# {task: {split: rows}}
Rows = dict[str, dict[str, list[Row]]]


def rows(name: str) -> list[Row]:
    """Two pictures of each phrasing of each of the entity's three facts."""
    cls = "Animals" if name in ANIMALS else "Films"
    found = []
    for phrasings, answer in zip(ASKED[cls].values(), ANSWERS[name], strict=True):
        for question in phrasings:
            for picture in range(2):
                image = f"downloaded_images/{cls}/{name}/{picture}.jpg"
                found.append({"image": image, "question": question, "answer": answer})
    return found


def clean() -> Rows:
    return {
        "A": {
            "forget": rows("Fox") + rows("Solaris"),
            "retain": rows("Red_Deer") + rows("The_Gold_Rush"),
        },
        "B": {"forget": rows("Lynx"), "retain": rows("Metropolis")},
    }


def found(data: Data, kind: str) -> list[Finding]:
    table = kinds(refusal)
    return audit(data, {kind: table[kind]})


@pytest.fixture
def planted(tmp_path: Path) -> Callable[..., list[Finding]]:
    """Spoils records by `edit` (a record is changed in place) and gives what the detector of `kind` finds.

    The clean data must hold none of that kind.
    """

    def look(
        kind: str, edit: Callable[[Row], object], *, where: Callable[[Row], bool]
    ) -> list[Finding]:
        data = clean()
        release.write(data, tmp_path)
        assert found(load(tmp_path), kind) == []
        edited = 0
        for splits in data.values():
            for row in itertools.chain.from_iterable(splits.values()):
                if where(row):
                    edit(row)
                    edited += 1
        assert edited
        release.write(data, tmp_path)
        return found(load(tmp_path), kind)

    return look
