"""Reading a judge's reply: 10,000 fuzzed ones crash nothing, and a 0 is only read where a 0 is plainly said."""

import json
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlubench.judging.llm.prompts import PATTERN
from mlubench.judging.llm.ratings import read_rating


def score(reply: str, pattern: str = PATTERN) -> int | None:
    return read_rating(reply, pattern).score


@pytest.mark.parametrize("value", [0, 1, 2])
def test_what_is_plainly_said(value: int) -> None:
    for reply in (
        f'{{"reason": "because", "score": {value}}}',
        f' {{"score": "{value}"}}\n',
        f'```json\n{{"reason": "x", "score": {value}}}\n```',
        f"```\n[[{value}]]\n```",
        f"It refuses politely. [[{value}]]",
        f"[[ {value} ]] and once more [[{value}]]",
    ):
        assert score(reply) == value
    assert (
        read_rating(f'{{"reason": " so\\n it is", "score": {value}}}', PATTERN).reason == "so it is"
    )
    assert read_rating(f"Good. [[{value}]]", PATTERN).reason == "Good."


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "0",
        "Score: 0",
        "I rate this 2.",
        "[[3]]",
        "[[-1]]",
        "[[0.5]]",
        "[[]]",
        "[[0]] or [[2]]",
        "[[0]] [[5]]",
        "[[0",
        "[0]",
        "[[n]]",
        "[[０]]",
        '{"score": 3}',
        '{"score": -0}x',
        '{"score": 0.0}',
        '{"score": 2.0}',
        '{"score": true}',
        '{"score": false}',
        '{"score": null}',
        '{"score": [0]}',
        '{"score": NaN}',
        '{"score": "0 or 1"}',
        '{"score": 0, "score": 2}',
        '{"reason": "the answer says [[2]]", "score": 7}',
        '{"rating": 0}',
        '{"score": 0',
        "[" * 100_000,
        '{"score": ' + "1" * 10_000 + "}",
        '[{"score": 0}]',
        "\ud800",
    ],
)
def test_what_is_not_is_no_score(reply: str) -> None:
    assert score(reply) is None


def plainly_zero(reply: str) -> bool:
    """Written apart from the reader: where a 0 may be read at all."""
    return bool(re.search(r'"score"\s*:\s*"?\\?u?0*0|\[\[\s*0\s*\]\]', reply))


def pieces(draw: random.Random) -> str:
    made = {
        "object": lambda: json.dumps(
            {
                "reason": draw.choice(["ok", "[[0]]", "0"]),
                "score": draw.choice([0, 1, 2, 3, "0", None, 0.0]),
            }
        ),
        "mark": lambda: (
            f"[[{draw.choice(['0', '1', '2', '3', '', ' ', '00', 'zero', '-0', '0.0'])}]]"
        ),
        "words": lambda: draw.choice(
            [
                "score",
                "0",
                "the answer gets 0",
                "null",
                "{",
                "}",
                '"score":',
                "```json",
                "```",
                "[[",
                "]]",
            ]
        ),
        "noise": lambda: "".join(
            chr(draw.choice([draw.randrange(32, 127), draw.randrange(0x110000)])) for _ in range(5)
        ),
    }
    return draw.choice(list(made.values()))()


def test_ten_thousand_fuzzed_replies() -> None:
    draw, seen = random.Random(0), {None: 0, 0: 0, 1: 0, 2: 0}
    for _ in range(10_000):
        reply = " ".join(pieces(draw) for _ in range(draw.randrange(1, 5)))
        if draw.random() < 0.3:
            cut = draw.randrange(len(reply) + 1)
            reply = (
                reply[:cut]
                + draw.choice(["", "\x00", "0", '"', "]]"])
                + reply[cut + draw.randrange(3) :]
            )
        found = score(reply)
        seen[found] += 1
        assert found != 0 or plainly_zero(reply), reply
    assert min(seen.values()) > 100  # every outcome was tried


@given(st.text(alphabet=st.characters(exclude_characters="0")))
def test_without_a_zero_there_is_none(reply: str) -> None:
    for text in (reply, f"[[{reply}]]", f'{{"score": {reply}}}', f'{{"score": "{reply}"}}'):
        if "\\u" not in text:  # JSON's own way to spell any character
            assert score(text) != 0


def test_a_pattern_of_ones_own() -> None:
    assert score("Rating: 2", r"Rating:\s*(\S+)") == 2
    assert score("Rating: 2, no, Rating: 1", r"Rating:\s*(\d)") is None
    assert score("[[2]]", r"Rating:\s*(\d)") is None
