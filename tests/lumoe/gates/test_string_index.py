"""A bucket gives all and only what is near by its bags, few or many."""

import random

import pytest

from mlubench.lumoe.gates import string_index
from mlubench.lumoe.gates.string_index import Bucket, bag_of


def drawn(seed: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices("abcdefghij", k=draw.randint(5, 9))) for _ in range(300)]


def apart(a: str, b: str) -> int:
    return (bag_of(a) ^ bag_of(b)).bit_count()


@pytest.mark.parametrize("seed", range(3))
def test_near_is_what_the_bags_say(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(string_index, "FEW", 8)
    texts, queries, bucket = drawn(seed), drawn(seed + 100)[:5], Bucket()
    found = 0
    for number, text in enumerate(texts):
        bucket.add(bag_of(text), number % 4, number)
        for query in queries if number % 7 == 0 else ():
            near = [
                n for n, other in enumerate(texts[: number + 1]) if apart(query, other) <= n % 4
            ]
            assert sorted(bucket.near(bag_of(query))) == near
            found += len(near)
    assert found > 100  # else there would be nothing to miss
