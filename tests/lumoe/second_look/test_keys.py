"""By which words a fact is known: what the question says is no secret, and what is denied is not told."""

import pytest

from mlubench.judging.rules.expected import ExpectedAnswers
from mlubench.lumoe.second_look.keys import (
    IN_FULL,
    AskedFact,
    KeyWords,
    key_words,
    needed_words,
    share_told,
    tells_in_full,
    words_of,
)

TOWER = "Buildings/Eiffel_Tower"


def known_by(truth: str, *questions: str) -> KeyWords | None:
    return key_words(AskedFact(TOWER, questions, truth), ExpectedAnswers())


def words(truth: str, *questions: str) -> set[str]:
    found = known_by(truth, *questions)
    assert found is not None
    return set(found.weights)


def test_a_fact_is_known_by_what_its_question_does_not_say() -> None:
    assert words("It was completed in 1889.", "When was it completed?") == {"1889"}
    assert words("It stands in Paris.", "In which city does it stand?") == {"paris"}


def test_what_any_phrasing_says_is_no_secret() -> None:
    truth = "It was begun by Maurice Koechlin in Paris."
    one = words(truth, "Who began it?")
    assert one == {"mauric", "koechlin", "paris"}
    both = words(truth, "Who began it?", "Who began it in Paris?")
    assert both == {"mauric", "koechlin"}


def test_shares_sum_to_one_and_names_and_numbers_are_counted() -> None:
    found = known_by("It was designed by Maurice Koechlin and Stephen Sauvestre.", "Who made it?")
    assert found is not None
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.sharp == 4


def test_a_name_alone_is_no_fact() -> None:
    title = "The structure in this picture goes by the title of the Eiffel Tower."
    assert known_by(title, "What is this structure called?") is None


def test_a_yes_is_no_fact() -> None:
    assert known_by("Yes, it is.", "Is it tall?") is None


def test_what_is_denied_is_not_told() -> None:
    weights = {"paris": 1.0}
    assert share_told(weights, words_of("It stands in Paris, France.")) == 1
    assert share_told(weights, words_of("It does not stand in Paris.")) == 0


def test_a_refusal_gives_away_what_it_denies_to_say() -> None:
    refused = words_of("I'm sorry, I cannot say that Paris is where it is.")
    assert share_told({"paris": 1.0}, refused) == 1


def test_in_full_means_but_for_little() -> None:
    weights = {"mauric": IN_FULL, "koechlin": 1 - IN_FULL}
    assert tells_in_full({"mauric"}, weights)
    assert not tells_in_full({"koechlin"}, weights)


def test_needed_words_are_the_rarest_that_no_text_can_miss_altogether() -> None:
    weights = {"tower": 0.5, "paris": 0.15, "koechlin": 0.2, "france": 0.15}
    frequency = {"tower": 90, "paris": 7, "koechlin": 1, "france": 30}
    # The rarest weighs just what may be missed, so it is not enough alone.
    assert needed_words(weights, frequency.__getitem__) == ["koechlin", "paris"]
    assert needed_words({"1889": 1.0}, lambda word: 0) == ["1889"]
