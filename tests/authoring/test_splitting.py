"""Tests of the splits: who lands where, that nobody lands twice, and that a hard split is hard."""

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from mlubench.authoring import splitting
from mlubench.core.errors import DataError

CLASSES = ("Animals", "Plants", "Movies")
ENTITIES = [f"{cls}/{n:02}" for cls in CLASSES for n in range(8)]
SIZES = splitting.SplitSizes(tasks=4, forget=0.5)


def pairwise(count: int) -> splitting.Likeness:
    """Neighbours 0-1, 2-3 and so on are much alike, all others are not."""
    rng = np.random.default_rng(0)
    likeness = rng.uniform(0, 0.2, (count, count))
    likeness = (likeness + likeness.T) / 2
    for n in range(0, count - 1, 2):
        likeness[n, n + 1] = likeness[n + 1, n] = 0.9 + n / 1000
    return likeness


def everybody(splits_by_task: splitting.TaskSplits) -> list[str]:
    return sorted(
        key for splits in splits_by_task.values() for keys in splits.values() for key in keys
    )


def ways(entities: list[str], sizes: splitting.SplitSizes, seed: int) -> list[splitting.TaskSplits]:
    return [
        splitting.by_class(entities, sizes, seed),
        splitting.mixed(entities, sizes, seed),
        splitting.similar(entities, pairwise(len(entities)), sizes, seed),
    ]


@for_all(st.integers(1, 40), st.integers(0, 60), st.floats(0.05, 0.95), st.integers(0, 3))
def test_everybody_is_placed_once_and_no_place_is_empty(
    tasks: int, more: int, forget: float, seed: int
) -> None:
    entities = [f"{CLASSES[n % 3]}/{n:03}" for n in range(2 * tasks + more)]
    for splits_by_task in ways(entities, splitting.SplitSizes(tasks, forget), seed):
        assert everybody(splits_by_task) == sorted(entities)
        assert list(splits_by_task) == splitting.task_names(tasks)
        assert all(keys for splits in splits_by_task.values() for keys in splits.values())
        sizes = [sum(map(len, splits.values())) for splits in splits_by_task.values()]
        assert max(sizes) - min(sizes) <= 1


def test_the_seed_decides_and_the_order_of_the_entities_does_not() -> None:
    for one, same, other in zip(
        ways(ENTITIES, SIZES, 1), ways(ENTITIES, SIZES, 1), ways(ENTITIES, SIZES, 2), strict=True
    ):
        assert one == same != other
    shuffled = list(reversed(ENTITIES))
    assert splitting.mixed(shuffled, SIZES, 1) == splitting.mixed(ENTITIES, SIZES, 1)
    assert splitting.by_class(shuffled, SIZES, 1) == splitting.by_class(ENTITIES, SIZES, 1)


def test_by_class_forgets_and_retains_different_classes() -> None:
    splits_by_task = splitting.by_class(ENTITIES, splitting.SplitSizes(3, 0.5), 0)
    for splits in splits_by_task.values():
        forget = {key.split("/")[0] for key in splits["forget"]}
        retain = {key.split("/")[0] for key in splits["retain"]}
        assert len(forget | retain) <= 3
        assert not forget & retain


def test_mixed_holds_every_class_everywhere() -> None:
    for splits in splitting.mixed(ENTITIES, splitting.SplitSizes(2, 0.5), 0).values():
        for keys in splits.values():
            assert {key.split("/")[0] for key in keys} == set(CLASSES)


def test_similar_puts_a_look_alike_in_the_retain_set_of_the_same_task() -> None:
    likeness = pairwise(len(ENTITIES))
    splits_by_task = splitting.similar(ENTITIES, likeness, SIZES, 0)
    assert splitting.hardness(splits_by_task, ENTITIES, likeness) > 0.9
    assert splitting.hardness_by_chance(splits_by_task, ENTITIES, likeness, 0) < 0.5
    places = {}
    for task, splits in splits_by_task.items():
        for split, keys in splits.items():
            for key in keys:
                places[key] = (task, split)
    # `pairwise` makes 0 and 1 alike, 2 and 3, and so on.
    for first, second in zip(ENTITIES[::2], ENTITIES[1::2], strict=True):
        assert places[first][0] == places[second][0]
        assert places[first][1] != places[second][1]


def test_a_split_by_hand_is_taken_as_it_is() -> None:
    wanted = {"B": {"forget": ["Animals/01"], "retain": ["Plants/01", "Movies/03"]}}
    assert splitting.given(ENTITIES, wanted) == {
        "B": {"forget": ["Animals/01"], "retain": ["Movies/03", "Plants/01"]}
    }


def test_a_split_by_hand_names_all_that_is_wrong() -> None:
    wanted = {
        "A": {"forget": ["Animals/01"], "retain": ["Nobody/0"]},
        "B": {"forget": ["Animals/01"], "retain": []},
    }
    with pytest.raises(DataError) as error:
        splitting.given(ENTITIES, wanted)
    for told in (
        "Nobody/0 in A retain is no entity",
        "Animals/01 is in A forget and in B forget",
        "task B lacks",
    ):
        assert told in str(error.value)


def test_too_few_entities_for_the_tasks() -> None:
    for way in (splitting.by_class, splitting.mixed):
        with pytest.raises(DataError, match="3 entities do not fill 2 tasks"):
            way(["A/1", "A/2", "B/1"], splitting.SplitSizes(2, 0.5), 0)


def test_more_tasks_than_letters_keep_their_order() -> None:
    names = splitting.task_names(120)
    assert names == sorted(names)
    assert splitting.task_names(3) == ["A", "B", "C"]
