"""Facts told in full are found among many, as comparing with every one of them finds them."""

import random
from collections.abc import Mapping

from mlubench.lumoe.second_look.fact_index import FactIndex
from mlubench.lumoe.second_look.keys import IN_FULL, share_told

COMMON = [f"common{n}" for n in range(10)]
RARE = [f"rare{n}" for n in range(300)]


def drawn(rng: random.Random) -> Mapping[str, float]:
    """A fact of one to five words, common ones among them."""
    words = rng.sample(COMMON, rng.randint(0, 2)) + rng.sample(RARE, rng.randint(1, 3))
    weights = {word: rng.choice((1.0, 3.0)) for word in words}
    total = sum(weights.values())
    return {word: weight / total for word, weight in weights.items()}


def test_the_index_finds_what_comparing_with_all_finds() -> None:
    rng = random.Random(0)
    facts = [(f"Animals/A{n % 150}", drawn(rng)) for n in range(600)]
    index = FactIndex()
    for entity, weights in facts:
        index.add(entity, weights)
    found_any = 0
    for _ in range(300):
        words = {*rng.sample(COMMON, 4), *rng.sample(RARE, 5), *rng.choice(facts)[1]}
        told = {entity for entity, weights in facts if share_told(weights, words) >= IN_FULL - 1e-9}
        assert index.told(words) == told
        found_any += len(told) > 1
    assert found_any


def test_a_fact_of_two_entities_is_found_of_both_until_one_is_removed() -> None:
    index = FactIndex()
    index.add("Animals/Cat", {"purr": 1.0})
    index.add("Animals/Lynx", {"purr": 1.0})
    index.add("Animals/Lynx", {"purr": 1.0})
    assert index.told({"purr", "cat"}) == {"Animals/Cat", "Animals/Lynx"}
    index.remove("Animals/Lynx")
    assert index.told({"purr"}) == {"Animals/Cat"}
    index.remove("Animals/Lynx")
    index.add("Animals/Lynx", {"purr": 1.0})
    assert index.told({"purr"}) == {"Animals/Cat", "Animals/Lynx"}
    assert index.told({"bark"}) == set()
