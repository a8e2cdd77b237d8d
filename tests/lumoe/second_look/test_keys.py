"""By which words facts are known: what the question says is no secret, and numbers weigh more than plain words."""

from dataclasses import replace

import pytest

from mlubench.lumoe.second_look.keys import ForgottenFact, forgotten_facts, share_told, words_of
from support.forgotten_things import DESIGNED, MUSEUM, TASK_A, TASKS, TOWER, fact


def by_words(facts: list[ForgottenFact]) -> dict[tuple[str, frozenset[str]], ForgottenFact]:
    return {(fact.entity, frozenset(fact.weights)): fact for fact in facts}


def test_a_fact_is_known_by_what_its_question_does_not_say() -> None:
    facts = by_words(forgotten_facts(TASKS))
    assert set(facts) == {
        (TOWER.key, frozenset({"1889"})),
        (TOWER.key, frozenset({"mauric", "koechlin", "stephen", "sauvestr"})),
        (TOWER.key, frozenset({"paris"})),
        (MUSEUM.key, frozenset({"paris"})),
        (MUSEUM.key, frozenset({"joseph", "strauss", "charl", "ellis"})),
    }


def test_shares_of_a_fact_sum_to_one() -> None:
    for one in forgotten_facts(TASKS):
        assert sum(one.weights.values()) == pytest.approx(1)


def test_what_two_names_tell_stands_alone_unless_a_kept_fact_tells_it_too() -> None:
    alone = [one for one in forgotten_facts(TASKS) if one.stands_alone]
    assert [(one.entity, "koechlin" in one.weights) for one in alone] == [(TOWER.key, True)]
    # With nothing kept the museum's architects stand alone as well.
    nothing_kept = [replace(task, retain=()) for task in TASKS]
    alone = [one.entity for one in forgotten_facts(nothing_kept) if one.stands_alone]
    assert alone == [TOWER.key, MUSEUM.key]


def test_a_name_alone_is_no_fact_and_neither_is_a_yes() -> None:
    title = "The structure in this picture goes by the title of the Eiffel Tower."
    named = fact(TOWER, "What is this structure called?", title, task="A", split="forget")
    agreed = fact(TOWER, "Is it tall?", "Yes, it is.", task="A", split="forget")
    assert forgotten_facts([replace(TASK_A, forget=(*named, *agreed))]) == []


def test_pictures_that_are_tested_on_tell_nothing() -> None:
    tested = tuple(replace(sample, role="test") for sample in TASK_A.forget)
    assert forgotten_facts([replace(TASK_A, forget=tested)]) == []


def test_what_is_denied_is_not_told() -> None:
    weights = next(one.weights for one in forgotten_facts(TASKS) if "paris" in one.weights)
    assert share_told(weights, words_of("It stands in Paris, France.")) == 1
    assert share_told(weights, words_of("It does not stand in Paris.")) == 0
    # A refusal gives away what it denies to say.
    assert share_told(weights, words_of("I'm sorry, I cannot say that Paris is where it is.")) == 1


def test_what_an_earlier_task_kept_may_have_to_go() -> None:
    kept_before = replace(
        TASK_A, retain=fact(MUSEUM, DESIGNED, "By Ada King Lovelace.", task="A", split="retain")
    )
    goes_now = replace(
        TASKS[1], forget=fact(MUSEUM, DESIGNED, "By Ada King Lovelace.", task="B", split="forget")
    )
    facts = forgotten_facts([kept_before, goes_now])
    assert [one.stands_alone for one in facts if one.entity == MUSEUM.key] == [True]
