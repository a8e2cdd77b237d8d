"""The rule for one record: other layouts are named for what they are, and no value of JSON crashes it."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlubench.data.records import Record, parse, problems

IMAGE = "downloaded_images/Animals/Dog/0.jpg"
TURNS = [{"from": "human", "value": "<image>What?"}, {"from": "gpt", "value": "A dog."}]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (
            {"id": 3, "images": [IMAGE], "messages": []},
            "has no 'image' (it has 'id', 'images', 'messages')",
        ),
        (
            {"image": IMAGE, "question": "?", "answer": "A."},
            "has no 'conversations' (it has 'image',",
        ),
        ({"image": [IMAGE], "conversations": TURNS}, "'image' is of type list, not a text"),
        ({"image": "0001.jpg", "conversations": TURNS * 2}, "picture path '0001.jpg' is not"),
        (
            {"image": IMAGE, "conversations": [{"role": "user", "content": "?"}, TURNS[1]]},
            "the human turn is not 'from' 'human' (it has 'role', 'content')",
        ),
        (
            {"image": IMAGE, "conversations": [{"from": "user", "value": "<image>?"}, TURNS[1]]},
            "the human turn is not 'from' 'human', but 'from' 'user'",
        ),
        ({"image": IMAGE, "conversations": [{}, *TURNS]}, "'conversations' has 3 turns, not one"),
        ({}, "has no 'image'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_another_layout_is_named(raw: Any, said: str) -> None:
    assert problems(raw)[0].message.startswith(said)


def some(random: Random, depth: int = 3) -> Any:
    """A value that is nearly a record."""
    kinds: list[Any] = [None, 1, 0.5, "", IMAGE, "<image>\nWhat?", "\ud800", "human", "gpt", TURNS]
    if depth:
        keys = random.choices(["image", "conversations", "from", "value", "\ud800"], k=3)
        kinds += [{key: some(random, depth - 1) for key in keys}] * 6
        kinds.append([some(random, depth - 1) for _ in range(2)])
    return random.choice(kinds)


# 10,000 values: twenty for each seed that hypothesis draws.
@settings(max_examples=500, deadline=None, database=None)
@given(st.integers(0, 2**32).map(Random))
def test_no_value_crashes_the_rule(random: Random) -> None:
    for _ in range(20):
        raw = some(random)
        found = problems(raw)
        for problem in found:
            # A terminal must be able to show it.
            problem.message.encode()
        if not found:
            assert isinstance(parse(raw), Record)
