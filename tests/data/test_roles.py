"""Roles decide what is tested on what was trained on, so they must be fair, stable and complete."""

import os
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlubench.data import release
from mlubench.data.roles import SHARES, assign_roles, lacking

FACTS = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.sets(st.integers(0, 25).map("p{}.jpg".format), min_size=1, max_size=9),
)


def test_six_pictures_are_three_one_two() -> None:
    roles = assign_roles({"f": [f"{i}.jpg" for i in range(6)]}, seed=0)
    assert Counter(roles.values()) == {"fit": 3, "calibrate": 1, "test": 2}


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, {"fit": 1}),
        (2, {"fit": 1, "test": 1}),
        (3, {"fit": 1, "test": 1, "calibrate": 1}),
        (12, {"fit": 6, "test": 4, "calibrate": 2}),
    ],
)
def test_other_sizes(size: int, expected: dict[str, int]) -> None:
    assert (
        Counter(assign_roles({"f": [f"{i}.jpg" for i in range(size)]}, seed=0).values()) == expected
    )


@given(FACTS, st.integers(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_order_does_not_matter(facts: dict[str, set[str]], seed: int, rng: random.Random) -> None:
    names = sorted(facts)
    rng.shuffle(names)
    shuffled = {name: rng.sample(sorted(facts[name]) * 2, 2 * len(facts[name])) for name in names}
    roles = assign_roles(facts, seed=seed)
    assert roles == assign_roles(shuffled, seed=seed)
    assert set(roles) == set().union(*facts.values())
    assert set(roles.values()) <= set(SHARES)


@given(st.lists(st.integers(3, 12), max_size=6), st.integers())
@settings(deadline=None)
def test_facts_that_share_nothing_lack_nothing(sizes: list[int], seed: int) -> None:
    facts = {str(f): [f"{f}/{i}" for i in range(size)] for f, size in enumerate(sizes)}
    assert lacking(facts, assign_roles(facts, seed=seed)) == {}


def test_a_seed_draws_other_roles() -> None:
    facts = {"f": [f"{i}.jpg" for i in range(30)]}
    assert assign_roles(facts, seed=0) != assign_roles(facts, seed=1)


def test_another_entity_changes_nothing() -> None:
    facts = {"f": [f"{i}.jpg" for i in range(9)]}
    alone = assign_roles(facts, seed=0)
    together = assign_roles(facts | {"g": ["x", "y", "z"]}, seed=0)
    assert {p: together[p] for p in alone} == alone


def test_lacking_names_what_is_missing() -> None:
    assert lacking({"f": "abc", "g": "ab"}, {"a": "fit", "b": "fit", "c": "test"}) == {
        "f": {"calibrate"}
    }


@pytest.mark.parametrize("seed", range(5))
def test_no_official_fact_lacks_a_role(seed: int) -> None:
    root = os.environ.get("MLUBENCH_ANNOTATIONS")
    if not root:
        pytest.skip("MLUBENCH_ANNOTATIONS does not name the folder that holds Tasks")
    pictures: dict[str, set[str]] = {}
    roles = {}
    for sample in release.read(Path(root), seed=seed).samples:
        pictures.setdefault(sample.fact, set()).add(sample.image)
        roles[sample.image] = sample.role
    bare = lacking(pictures, roles)
    exact = 0
    for images in pictures.values():
        exact += Counter(roles[image] for image in images) == {"fit": 3, "test": 2, "calibrate": 1}
    print(
        f"seed {seed}: {len(bare)} of {len(pictures)} facts lack a role; {exact} have exactly 3, 1 and 2 pictures"
    )
    assert bare == {}
    assert exact > 0.9 * len(pictures)
