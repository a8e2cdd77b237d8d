"""What a question asks for, by questions of the official kind and their neighbours."""

import pytest

from mlubench.judging.rules import asking
from mlubench.judging.rules.text import read


@pytest.mark.parametrize(
    ("question", "number", "alone"),
    [
        ("When was this building completed?", True, True),
        ("How tall is this tower?", True, True),
        ("When and where was he born?", True, False),
        ("In which year and by which studio was it made?", True, False),
        ("Who designed it?", False, False),
    ],
)
def test_a_number_and_a_number_alone(question: str, number: bool, alone: bool) -> None:
    assert asking.asks_for_number(question) is number
    assert asking.asks_for_number_alone(question) is alone


@pytest.mark.parametrize(
    ("question", "year", "exact"),
    [
        ("In what year did it open?", True, True),
        ("When did it open?", False, True),
        ("How many years does it live?", False, False),
    ],
)
def test_a_year_and_an_exact_time(question: str, year: bool, exact: bool) -> None:
    assert asking.asks_for_year(question) is year
    assert asking.asks_for_exact_time(question) is exact


@pytest.mark.parametrize(
    ("question", "place"),
    [
        ("Where is its headquarters?", True),
        ("Which city is it in?", True),
        ("Which country is this city in?", False),
        ("What does it eat?", False),
    ],
)
def test_a_place_but_not_its_country(question: str, place: bool) -> None:
    assert asking.asks_for_place(question) is place


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("What is the name of this plant?", True),
        ("Which animal does this picture show?", True),
        ("Who is this?", True),
        # Not the name that everybody uses.
        ("What is the scientific name of this plant?", False),
        ("What does this animal eat?", False),
    ],
)
def test_the_common_name(question: str, name: bool) -> None:
    assert asking.asks_for_name(question) is name


def test_who_and_a_person() -> None:
    assert asking.asks_who("Who founded it?")
    assert asking.asks_for_person("Name the founder.")
    assert not asking.asks_who("Name the founder.")
    assert not asking.asks_for_person("What does it eat?")


def test_options_are_the_answers_that_a_question_offers() -> None:
    diets = asking.options("What does it eat (herbivore, carnivore, omnivore)?")
    assert diets == read("herbivore carnivore omnivore").content
    offered = asking.options("Is it native, or found globally?")
    assert offered == read("native found globally").content
    assert asking.options("What does it eat?") == frozenset()


@pytest.mark.parametrize(
    ("question", "answer", "side"),
    [
        ("Can it fly?", "Yes, it can.", "yes"),
        ("Can it fly?", "No.", "no"),
        ("Can it fly?", "It cannot fly.", "no"),
        ("Can it fly?", "It can fly far.", "yes"),
        # A choice, and a question that is not closed, have no sides.
        ("Is it wild or tame?", "It is wild.", ""),
        ("What does it eat?", "It eats fish.", ""),
    ],
)
def test_the_side_that_an_answer_takes(question: str, answer: str, side: str) -> None:
    assert asking.side_taken(question, answer, read(answer)) == side
