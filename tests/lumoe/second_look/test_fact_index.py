"""Facts told in full are found among many, as comparing with every one of them finds them."""

import random
from collections.abc import Mapping

from mlubench.lumoe.second_look.fact_index import FactIndex
from mlubench.lumoe.second_look.keys import tells_in_full

COMMON = [f"common{number}" for number in range(10)]
RARE = [f"rare{number}" for number in range(300)]
Fact = tuple[str, Mapping[str, float]]  # an entity, and the words with their shares


def drawn(rng: random.Random, number: int) -> Fact:
    """A fact of one to five words, common ones among them, of one of 150 entities."""
    words = rng.sample(COMMON, rng.randint(0, 2)) + rng.sample(RARE, rng.randint(1, 3))
    weights = {word: rng.choice((1.0, 3.0)) for word in words}
    total = sum(weights.values())
    shares = {word: weight / total for word, weight in weights.items()}
    return f"Animals/A{number % 150}", shares


def drawn_text(rng: random.Random, facts: list[Fact]) -> set[str]:
    """Words of a text that tells a fact, among others."""
    _, told = rng.choice(facts)
    return {*rng.sample(COMMON, 4), *rng.sample(RARE, 5), *told}


def told_by_comparing(facts: list[Fact], words: set[str]) -> set[str]:
    return {entity for entity, weights in facts if tells_in_full(words, weights)}


def test_the_index_finds_what_comparing_with_all_finds() -> None:
    rng = random.Random(0)
    facts = [drawn(rng, number) for number in range(600)]
    index = FactIndex()
    for entity, weights in facts:
        index.add(entity, weights)
    several = 0
    for _ in range(300):
        words = drawn_text(rng, facts)
        told = told_by_comparing(facts, words)
        assert index.told(words) == told
        several += len(told) > 1
    assert several > 0


def test_after_removals_it_finds_what_is_left() -> None:
    rng = random.Random(1)
    facts = [drawn(rng, number) for number in range(600)]
    index = FactIndex()
    for entity, weights in facts:
        index.add(entity, weights)
    gone = {f"Animals/A{number}" for number in range(0, 150, 2)}
    for entity in gone:
        index.remove(entity)
    left = [(entity, weights) for entity, weights in facts if entity not in gone]
    for _ in range(100):
        words = drawn_text(rng, facts)
        assert index.told(words) == told_by_comparing(left, words)


def test_a_fact_of_two_entities_is_found_of_both_until_one_is_removed() -> None:
    index = FactIndex()
    index.add("Animals/Cat", {"purr": 1.0})
    index.add("Animals/Lynx", {"purr": 1.0})
    index.add("Animals/Lynx", {"purr": 1.0})
    assert index.told({"purr", "cat"}) == {"Animals/Cat", "Animals/Lynx"}
    index.remove("Animals/Lynx")
    assert index.told({"purr"}) == {"Animals/Cat"}


def test_a_removed_fact_can_be_added_again() -> None:
    index = FactIndex()
    index.add("Animals/Lynx", {"purr": 1.0})
    index.remove("Animals/Lynx")
    index.remove("Animals/Lynx")
    assert index.told({"purr"}) == set()
    index.add("Animals/Lynx", {"purr": 1.0})
    assert index.told({"purr"}) == {"Animals/Lynx"}
