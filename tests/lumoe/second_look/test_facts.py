"""The facts of all requests: which there are, which stand alone, and the same whether tasks come singly or at once."""

import random
from dataclasses import replace

from mlubench.lumoe.second_look.facts import GROWTH, ForgottenFacts
from mlubench.lumoe.second_look.keys import ForgottenFact
from mlubench.types import Entity, Task
from support.forgotten_things import DESIGNED, MUSEUM, TASK_A, TASKS, TOWER, fact

CITIES = ("Paris", "Rome", "Oslo", "Lima", "Cairo", "Quito")
NAMES = ("Ada King", "Carl Benz", "Jane Rook", "Omar Said", "Lena Voss", "Ivan Petrow")


def facts_of(*tasks: Task) -> list[ForgottenFact]:
    facts = ForgottenFacts()
    facts.take(tasks)
    found: list[ForgottenFact] = []
    for of_entity in facts.of.values():
        found += of_entity
    return found


def drawn_task(number: int, rng: random.Random) -> Task:
    """One entity to forget and one to keep, which often share a fact with others."""
    task = str(number)
    samples = {}
    for split in ("forget", "retain"):
        entity = Entity("Buildings", f"{split}_{number}".title())
        city = f"It stands in {rng.choice(CITIES)}."
        makers = f"It was designed by {rng.choice(NAMES)} and {rng.choice(NAMES)}."
        samples[split] = (
            *fact(entity, "Where does it stand?", city, task=task, split=split),
            *fact(entity, DESIGNED, makers, task=task, split=split),
        )
    return Task(task, samples["forget"], samples["retain"])


def test_the_facts_of_two_tasks() -> None:
    known_by = {(one.entity, frozenset(one.weights)) for one in facts_of(*TASKS)}
    assert known_by == {
        (TOWER.key, frozenset({"1889"})),
        (TOWER.key, frozenset({"mauric", "koechlin", "stephen", "sauvestr"})),
        (TOWER.key, frozenset({"paris"})),
        (MUSEUM.key, frozenset({"paris"})),
        (MUSEUM.key, frozenset({"joseph", "strauss", "charl", "ellis"})),
    }


def test_what_two_names_tell_stands_alone() -> None:
    alone = [one for one in facts_of(*TASKS) if one.stands_alone]
    assert [(one.entity, "koechlin" in one.weights) for one in alone] == [(TOWER.key, True)]


def test_with_nothing_kept_the_museum_s_architects_stand_alone_too() -> None:
    nothing_kept = [replace(task, retain=()) for task in TASKS]
    alone = [one.entity for one in facts_of(*nothing_kept) if one.stands_alone]
    assert alone == [TOWER.key, MUSEUM.key]


def test_samples_that_are_tested_on_tell_nothing() -> None:
    tested = tuple(replace(sample, role="test") for sample in TASK_A.forget)
    assert facts_of(replace(TASK_A, forget=tested)) == []


def test_what_an_earlier_task_kept_may_have_to_go() -> None:
    truth = "By Ada King Lovelace."
    kept = replace(TASK_A, retain=fact(MUSEUM, DESIGNED, truth, task="A", split="retain"))
    goes = replace(TASKS[1], forget=fact(MUSEUM, DESIGNED, truth, task="B", split="forget"))
    of_museum = [one for one in facts_of(kept, goes) if one.entity == MUSEUM.key]
    assert [one.stands_alone for one in of_museum] == [True]


def test_a_kept_truth_that_comes_later_takes_a_fact_s_standing() -> None:
    facts = ForgottenFacts()
    facts.take([replace(TASKS[1], retain=())])
    assert any(one.stands_alone for one in facts.of[MUSEUM.key])
    # The bridge, which must stay, has the museum's architects.
    changed = facts.take([TASK_A])
    assert MUSEUM.key in changed
    assert not any(one.stands_alone for one in facts.of[MUSEUM.key])


def test_tasks_one_by_one_leave_what_all_at_once_leave() -> None:
    rng = random.Random(0)
    tasks = [drawn_task(number, rng) for number in range(40)]
    grown = ForgottenFacts()
    for done, task in enumerate(tasks, 1):
        grown.take([task])
        whole = ForgottenFacts()
        whole.take(tasks[:done])
        assert grown.of == whole.of
    standing = {one.stands_alone for facts in grown.of.values() for one in facts}
    assert standing == {True, False}


def test_most_tasks_change_no_fact_but_their_own() -> None:
    rng = random.Random(0)
    facts = ForgottenFacts()
    weighed = 0
    for number in range(100):
        task = drawn_task(number, rng)
        # A truth of its own for each, so that the class grows by it.
        own = fact(task.forget[0].entity, "When?", f"In {1000 + number}.", task="x", split="forget")
        weighed += len(facts.take([replace(task, forget=(*task.forget, *own), retain=())]))
    assert weighed <= 100 * (1 + 1 / (GROWTH - 1))
