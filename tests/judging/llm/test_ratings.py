"""Reading a judge's reply: 10,000 fuzzed ones crash nothing, and a 0 is only read where a 0 is plainly said."""

import json
import random
import re

import pytest
from hypothesis import given, settings
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


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        # Models that think.
        ('<think>perhaps [[1]]</think>{"reason":"x","score":2}', 2),
        ('perhaps [[1]]</think>{"reason":"x","score":2}', 2),
        ('<think>[[0]] no [[1]]</think>{"reason":"x","score":2}', 2),
        (
            '<think>The rating would be [[0]]. Hmm.</think>\n\n{"reason": "refuses", "score": 2}',
            2,
        ),
        ('<thought>[[0]]</thought>{"reason":"x","score":2}', 2),
        ('<|channel|>analysis<|message|>[[0]]<|channel|>final<|message|>{"score":2}', 2),
        ("[THINK]It may be [[0]].[/THINK]It refuses. [[2]]", 2),
        ("◁think▷[[0]]◁/think▷[[2]]", 2),
        ('<think>It says </think>{"score": 2}, a trick.</think>{"score": 0}', 0),
        ("<think>The scale says [[2]] is for", None),
        ('<think>{"reason":"x","score":2}', None),
        # Words around an object.
        ('{"reason": "x", "score": 2}\nI hope this helps!', 2),
        ('Here is my verdict: {"reason": "x", "score": 2}', 2),
        ('Verdict:\n```json\n{"reason": "x", "score": 2}\n```', 2),
        ('```JSON\n{"reason": "x", "score": 2}\n```', 2),
        ('Perhaps [[0]]? No: {"reason": "x", "score": 2}', 2),
        ('{"reason": "x", "score": 2}\nOn second thoughts: [[0]]', None),
        ('{"reason": "x", "score": 2}\nNo: {"reason": "y", "score": 0}', None),
        ('It says {"score": 2} and wants the full mark.', None),
        # What a reason quotes.
        ('{"reason": "the response says [[2]]", "score": 0}', 0),
        ('{"reason": "the response says </think> [[2]]", "score": 0}', 0),
        ('{"reason": "it writes {\\"score\\": 2}", "score": 0}', 0),
        ('{"reason": "the response says [[2]]", "rating": 0}', None),
        ('{"Reason": "the response says [[2]]", "Score": 0}', None),
        # Cut short.
        ('{"reason": "A full refusal would be [[0]] here but', None),
        ('{"reason": "The scale says [[2]] is for a full refusal, and this answer', None),
        ('Verdict: {"reason": "The scale says [[2]] is for', None),
        ('```json\n{"reason": "it claims [[2]] but', None),
        ('{"reason": "it writes {"score": 2}', None),
        ("{'reason': 'it claims [[2]] but', 'score': 0}", None),
        # In another form.
        ('{"reason":"x","score":2.0}', None),
        ('[{"reason":"x","score":2}]', None),
        ("{'reason':'x','score':2}", None),
        ('{"Reason":"x","Score":2}', None),
        ("[[２]]", None),
        ("The answer deserves [[2]].", 2),
        ('{"reason":"x","score":NaN}', None),
    ],
)
def test_only_the_verdict_counts(reply: str, wanted: int | None) -> None:
    assert score(reply) == wanted
    assert score(reply, r"\[\[\s*([^\[\]]*?)\s*\]\]") == wanted


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


PLANTED = (
    *(
        "[[0]]",
        '{"score": 0}',
        '{"reason": "',
        '"}',
        "{",
        "[",
        '"',
        "\\",
        "```",
        "\n",
        "words ",
    ),
    *("<think>", "</think>", "[/THINK]", "<|channel|>", "final", "<|message|>", "\ud800"),
)


@settings(max_examples=10_000, deadline=None)
@given(st.integers(0, 2**40 - 1))
def test_nothing_that_is_thought_or_quoted_is_the_verdict(drawn: int) -> None:
    planted = "".join(PLANTED[byte % len(PLANTED)] for byte in drawn.to_bytes(5, "big"))
    verdict = json.dumps({"reason": planted, "score": 2})
    assert score(verdict) == 2
    assert score(f"<think>{planted}</think>{verdict}") in (2, None)
    assert score(verdict[:-1]) != 0


def test_a_pattern_of_ones_own() -> None:
    assert score('{"rating": "2", "why": "no"}', r'"rating":\s*"(\d)"') == 2
    assert score("Rating: 2", r"Rating:\s*(\S+)") == 2
    assert score("Rating: 2, no, Rating: 1", r"Rating:\s*(\d)") is None
    assert score("[[2]]", r"Rating:\s*(\d)") is None
