"""What is uneven is found where it begins to matter, and counted as by hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mlubench.data.audit import balance, names
from mlubench.data.audit.facts import Data, Fact, Finding, Place
from mlubench.types import Entity, Split


def fact(
    key: str,
    truth: str = "It is red.",
    *,
    question: str = "Which colour?",
    task: str = "A",
    split: Split = "forget",
    records: int = 1,
    file_name: str = "1.jpg",
) -> Fact:
    places = []
    for index in range(records):
        image = f"downloaded_images/{key}/{file_name}"
        places.append(Place(task, split, index, f"{key} {truth} {index}", image))
    return Fact(Entity.from_key(key), truth, {question: places})


def messages(find: Callable[[Data], list[Finding]], *facts: Fact) -> list[str]:
    return [finding.message for finding in find(Data(list(facts)))]


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        (["Yes.", "Yes, it is.", "yes", "No."], ["Film: 'yes' for 3 of 4 to 'which colour?'"]),
        (["Red.", "red", "Blue.", "Green."], []),  # half of the entities are too few
        (["Red.", "Red.", "Red."], []),  # three entities say nothing
    ],
)
def test_an_answer_that_most_entities_have(answers: list[str], found: list[str]) -> None:
    facts = [fact(f"Film/{number}", answer) for number, answer in enumerate(answers)]
    assert messages(balance.find_common_answers, *facts) == found


def test_entities_with_one_fact_where_others_have_two() -> None:
    rich = [fact(f"Cat/{name}", truth) for name in ("Tom", "Kit") for truth in ("Red.", "Blue.")]
    poor = fact("Cat/Ann", records=3)
    [finding] = balance.find_few_facts(Data([*rich, poor]))
    assert finding.message == "Cat: one fact (most have 2) of Ann"
    assert list(finding.places) == poor.places
    assert messages(balance.find_few_facts, poor) == []  # where all have one, one is usual


def test_at_most_six_entities_are_named() -> None:
    poor = [fact(f"Cat/{number}") for number in range(8)]
    rich = [fact(f"Cat/R{number}", truth) for number in range(9) for truth in ("Red.", "Blue.")]
    assert messages(balance.find_few_facts, *rich, *poor) == [
        "Cat: one fact (most have 2) of 0, 1, 2, 3, 4, 5 and 2 more"
    ]


def test_a_class_with_less_than_a_fifth_of_the_largest() -> None:
    facts = [fact("Cat/Tom", records=50), fact("Dog/Rex", records=10), fact("Cow/Moo", records=9)]
    assert messages(balance.find_imbalance, *facts) == ["Cow: 9 records, Cat has 50"]


def test_a_class_that_one_split_alone_has() -> None:
    facts = [
        fact("Cat/Tom", records=3),
        fact("Dog/Rex"),
        fact("Dog/Bob", split="retain"),
        fact("Cat/Kit", task="B"),
        fact("Cat/Ann", task="B", split="retain"),
    ]
    assert messages(balance.find_given_away, *facts) == [
        "A: 75% of forget is of classes that the other split lacks: Cat"
    ]


def test_an_id_counts_within_its_file() -> None:
    facts = [fact("Cat/Tom", records=3), fact("Cat/Kit", split="retain")]
    tom, kit = facts
    [asked] = tom.asked.values()
    asked[:] = [replace(place, id=id) for place, id in zip(asked, ("7", "7", "8"), strict=True)]
    [retained] = kit.asked.values()
    retained[:] = [replace(retained[0], id="7")]
    [finding] = balance.find_ids(Data(facts))
    assert finding.message == "A forget: 2 ids for 3 records, 1 of them used again"
    assert list(finding.places) == asked[:2]


@pytest.mark.parametrize(
    ("file_name", "entities", "is_found"),
    [
        ("0f3a9c1d77.jpg", 2, True),
        ("0f3a9c1d77.jpg", 1, False),
        ("0f3a9c1d77.jpg", 4, False),
        ("image_0001.jpg", 2, False),
    ],
)
def test_one_picture_in_two_folders(file_name: str, entities: int, is_found: bool) -> None:
    facts = [fact(f"Cat/{number}", file_name=file_name) for number in range(entities)]
    found = [f"'{file_name}' is of 0, 1"] if is_found else []
    assert messages(balance.find_shared_pictures, *facts) == found


def test_a_name_that_holds_another() -> None:
    facts = [fact("Film/The_Lion_King"), fact("Film/The_Lion_King_2"), fact("Film/King")]
    assert messages(names.find_like_entities, *facts) == [
        "Film/The_Lion_King and Film/The_Lion_King_2"
    ]


def test_counts() -> None:
    facts = [
        fact("Cat/Tom", "Yes.", records=2),
        fact("Cat/Tom", "No, never."),
        fact("Cat/Kit", "Nobody knows.", split="retain"),
    ]
    assert balance.counts(Data(facts)) == {
        "Cat": {
            "entities": 2,
            "facts": 3,
            "records": 4,
            "forget": 3,
            "retain": 1,
            "yes": 1,
            "no": 1,
        }
    }
