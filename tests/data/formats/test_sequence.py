"""Which task an entity is in depends on the seed alone."""

import pytest

from mlubench.core.errors import DataError
from mlubench.data.formats.item import ImportOptions, Notes
from mlubench.data.formats.sequence import deal, task_names
from mlubench.types import Entity, Split

PEOPLE = [Entity("Person", f"P{number:02d}") for number in range(20)]


def test_the_seed_decides_and_the_order_does_not() -> None:
    undecided: dict[Entity, Split | None] = dict.fromkeys(PEOPLE)
    backwards: dict[Entity, Split | None] = dict.fromkeys(reversed(PEOPLE))
    first = deal(undecided, ImportOptions(tasks=2), Notes())
    assert deal(backwards, ImportOptions(tasks=2), Notes()) == first
    assert deal(undecided, ImportOptions(tasks=2, seed=1), Notes()) != first


def test_a_tenth_is_forgotten_where_the_original_names_nothing() -> None:
    standings = deal(dict.fromkeys(PEOPLE), ImportOptions(tasks=2), Notes())
    forgotten = [standing.task for standing in standings.values() if standing.split == "forget"]
    assert sorted(forgotten) == ["A", "B"]
    assert len(standings) == 20


def test_the_original_forget_set_is_dealt_out_evenly() -> None:
    splits: dict[Entity, Split | None] = dict.fromkeys(PEOPLE, "retain")
    splits |= dict.fromkeys(PEOPLE[:6], "forget")
    standings = deal(splits, ImportOptions(tasks=3), Notes())
    forgotten = {entity for entity, standing in standings.items() if standing.split == "forget"}
    assert forgotten == set(PEOPLE[:6])
    assert sorted(standings[entity].task for entity in forgotten) == list("AABBCC")


def test_limits_leave_the_rest_out_and_tell_it() -> None:
    notes = Notes()
    options = ImportOptions(tasks=2, forget_per_task=2, retain_per_task=3)
    assert len(deal(dict.fromkeys(PEOPLE), options, notes)) == 10
    assert list(notes.lost.values()) == [10]
    with pytest.raises(DataError, match="0 entities to keep, and 2 tasks need 2"):
        deal(dict.fromkeys(PEOPLE), ImportOptions(tasks=2, forget_per_task=10), Notes())


def test_names_of_many_tasks() -> None:
    assert task_names(3) == ["A", "B", "C"]
    assert task_names(27)[::26] == ["01", "27"]
