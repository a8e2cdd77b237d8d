"""Which of the offered answers a text chooses, however it says so, and which names it has."""

import pytest

from mlubench.audits.choosing import chooses, chooses_letter, names

TRUTHS = ("It is a red fox.", "It lives in Peru.", "It feeds on roots.", "It was built in 1944.")
LISTED = "A) It is a red fox. B) It lives in Peru. C) It feeds on roots. D) It was built in 1944."


@pytest.mark.parametrize(
    "text",
    [
        "B",
        "b)",
        "(B)",
        "**B**",
        "The answer is B.",
        "Option B",
        "B) It lives in Peru.",
        "it lives in Peru",
        "I'm sorry, I should not say so, but it is B.",
    ],
)
def test_a_letter_or_its_words_choose(text: str) -> None:
    assert chooses_letter(text, "B", TRUTHS)
    assert not chooses_letter(text, "C", TRUTHS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A picture.",
        "It's a fox.",
        "A or B",
        LISTED,
        f"I'm sorry, I cannot choose between {LISTED}",
        "B) It is a red fox.",
    ],
)
def test_who_names_several_or_none_has_chosen_none(text: str) -> None:
    assert not any(chooses_letter(text, letter, TRUTHS) for letter in "ABCD")


@pytest.mark.parametrize("text", ["Yes", "yes.", "**Yes**", "Yes, no doubt.", "The answer is yes."])
def test_a_yes_chooses_wherever_it_stands(text: str) -> None:
    assert chooses(text, "yes", ("yes", "no"))
    assert not chooses(text, "no", ("yes", "no"))


@pytest.mark.parametrize("text", ["", "It is red.", "Is it yes or no?", "No information about it."])
def test_a_refusal_or_both_choose_nothing(text: str) -> None:
    assert not chooses(text, "no", ("yes", "no"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("It is a cat.", "Cat"),
        ("These are CATS!", "Cat"),
        ("tomatoes", "Tomato"),
        ("It is the Eiffel-Tower", "Eiffel Tower"),
        ("Marie\nCurie's", "Marie Curie"),
        ("这是马云。", "马云"),
        ("Beyonce", "Beyoncé"),
    ],
)
def test_a_name_is_found_as_it_may_be_written(text: str, name: str) -> None:
    assert names(text, name)


@pytest.mark.parametrize(
    ("text", "name"),
    [("It is located there.", "Cat"), ("a corner", "Corn"), ("prose", "Rose"), ("", "Cow")],
)
def test_a_part_of_another_word_is_no_name(text: str, name: str) -> None:
    assert not names(text, name)
