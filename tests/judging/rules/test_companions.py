"""Words that two texts share, and whether they say them of the same thing."""

import pytest

from mlubench.judging.rules.companions import company, in_other_company
from mlubench.judging.rules.text import read


def parted(truth: str, response: str) -> set[str]:
    return in_other_company(
        read(truth), read(response), said=read(response).content, known=frozenset()
    )


@pytest.mark.parametrize(
    ("truth", "response", "words"),
    [
        ("It is an ice giant.", "It is a gas giant.", {"giant"}),
        ("It is in San Jose, California.", "It is in San Francisco, California.", {"san"}),
        ("He ate the leaves of acacia trees.", "He had eucalyptus leaves.", {"leaf"}),
        (
            "It lives in the plains of North America.",
            "It lives in the mountains of North America.",
            {"north", "american"},
        ),
        ("It is the fifth planet.", "It is the fourth planet.", {"planet"}),
        ("It lives in eastern Australia.", "It lives in western Australia.", {"australian"}),
    ],
)
def test_what_two_things_share_is_said_of_each(truth: str, response: str, words: set[str]) -> None:
    assert words <= parted(truth, response)
    assert not parted(truth, truth)


@pytest.mark.parametrize(
    ("truth", "response"),
    [
        # The response says no more than the word.
        ("It is an ice giant.", "It is a giant."),
        # Part of the name is said.
        ("It was Gordon Moore.", "It was Gordon E. Moore."),
        ("It lives in Central and South America.", "It lives in South and Central America."),
        # One of two occurrences fits.
        ("It is a gas giant.", "An ice giant is small, and this giant is a gas giant."),
        # Words that only say of what kind the next thing is.
        ("It is in Agra, India.", "It is in the city of Agra, India."),
    ],
)
def test_what_is_said_of_the_same_thing_counts(truth: str, response: str) -> None:
    assert not parted(truth, response)


def test_a_name_stands_with_the_rest_of_the_name_and_a_plain_word_with_the_word_before() -> None:
    found = company(read("It was the sculptor Auguste Bartholdi of the red bridge."))
    assert found.beside["august"] == [frozenset({"bartholdi"})]
    assert found.beside["bridg"] == [frozenset({"red"})]
    assert found.head["bridg"] == [frozenset({"bartholdi"})]
