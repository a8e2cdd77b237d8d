"""What of a reply is the reply: each model's way to think is cut off, half a thought is none, and nothing crashes it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlubench.core.reply_text import begun, closed, json_in, spoken

VERDICT = '{"reason": "x", "score": 2}'


@pytest.mark.parametrize(
    "reply",
    [
        f"<think>perhaps [[1]]</think>{VERDICT}",
        f"<THINK>perhaps</THINK>\n\n{VERDICT}\n",
        f"<think>\n\n</think>\n\n{VERDICT}",
        f"<thinking>hm</thinking>{VERDICT}",
        f"<thought>[[0]]</thought>{VERDICT}",
        f"<seed:think>hm</seed:think>{VERDICT}",
        f"[THINK]hm[/THINK]{VERDICT}",
        f"◁think▷hm◁/think▷{VERDICT}",
        f"<|begin_of_thought|>hm<|end_of_thought|>{VERDICT}",
        f"<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>{VERDICT}<|END_RESPONSE|>",
        f"<|channel>thought\nhm<channel|>{VERDICT}",
        f"<unused94>thought hm<unused95>{VERDICT}",
        f"<think>hm</think><answer>{VERDICT}</answer>",
        f"<think>hm</think><|begin_of_box|>{VERDICT}<|end_of_box|>",
        # The prompt had begun it.
        f"perhaps [[1]]</think>{VERDICT}",
        # Thinking that quotes marks.
        f"<think>It says </think> and [[0]]. So:</think>{VERDICT}",
        f"<think>a <think>b</think> c</think>{VERDICT}",
        f"<think>It writes <think> too.</think>{VERDICT}",
        f'<think>It says </think>{{"score": 1}}, a trick.</think>{VERDICT}',
        # Twice, and afterwards.
        f"<think>a</think>\n<think>b</think>\n{VERDICT}",
        f"{VERDICT}<think>done</think>",
        # Channels.
        f"<|channel|>analysis<|message|>[[0]]<|end|><|start|>assistant<|channel|>final<|message|>{VERDICT}",
        f"<|channel|>analysis<|message|>hm<|channel|>final<|message|>{VERDICT}<|return|>",
        f"<|channel|>final <|constrain|>json<|message|>{VERDICT}",
        f"analysisIt says [[0]].assistantfinal{VERDICT}",
        VERDICT,
    ],
)
def test_thinking_is_cut_off(reply: str) -> None:
    assert spoken(reply) == VERDICT


@pytest.mark.parametrize(
    "reply",
    [
        "",
        " \n",
        "<think>It says [[2]] and",
        f"<think>{VERDICT}",
        "It is 2. <thinking>or",
        "[THINK]hm",
        "◁think▷hm",
        "<think>hm</think>",
        "<|channel|>analysis<|message|>It says [[2]]",
        "<|channel|>final<|message|>[[1]]<|end|><|channel|>analysis<|message|>or",
    ],
)
def test_thinking_that_was_cut_short_is_no_reply(reply: str) -> None:
    assert spoken(reply) == ""


@pytest.mark.parametrize(
    "reply",
    [
        '{"reason": "it says </think> [[2]]", "score": 0}',
        '{"reason": "it opens <think> and never ends", "score": 0}',
        '{"reason": "it says <|channel|>final<|message|>[[2]]", "score": 0}',
        "I think that it is a cat.",
        "The analysis by the assistant is final.",
        "a < b, b > c",
    ],
)
def test_what_is_quoted_or_only_said_is_no_mark(reply: str) -> None:
    assert spoken(reply) == reply
    assert spoken(f"<think>hm</think>{reply}") == reply


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("<|assistant|>", "<|assistant|>"),
        ("A: <think>\n", "A: <think>\n\n</think>\n\n"),
        ("A: [THINK]", "A: [THINK]\n\n[/THINK]\n\n"),
        ("A: ◁think▷", "A: ◁think▷\n\n◁/think▷\n\n"),
        ("A: <|START_THINKING|>", "A: <|START_THINKING|>\n\n<|END_THINKING|>\n\n"),
        ("A: <think>\n\n</think>\n\n", "A: <think>\n\n</think>\n\n"),
        ("Say <think> now", "Say <think> now"),
    ],
)
def test_thinking_that_a_prompt_begins_is_closed(prompt: str, wanted: str) -> None:
    assert closed(prompt) == wanted
    assert spoken(begun(prompt) + "never ended") == ("" if begun(prompt) else "never ended")


def test_json_within_words() -> None:
    text = 'a {b} {"x": {"y": 1}} and ["z", {"w": 2}] but {"cut": "sh'
    assert [found.value for found in json_in(text)] == [{"x": {"y": 1}}, ["z", {"w": 2}], None]
    assert [found.value for found in json_in('{"a": 1, "a": 2}')] == [None]
    assert [found.value for found in json_in('{"a":[' * 50_000)][-1] is None


PIECES = (
    "<think>",
    "</think>",
    "[THINK]",
    "[/THINK]",
    "◁think▷",
    "◁/think▷",
    "<|channel|>",
    "final",
    "analysis",
    "assistantfinal",
    "<|message|>",
    "<|end|>",
    "<answer>",
    "</answer>",
    VERDICT,
    '{"reason": "</think>',
    '"}',
    "{",
    "[",
    '"',
    "\\",
    "[[2]]",
    "\ud800",
    "\n",
    "é",
)


@settings(max_examples=10_000, deadline=None)
@given(st.integers(0, 2**40 - 1))
def test_whatever_comes_is_read(drawn: int) -> None:
    reply = "".join(PIECES[byte % len(PIECES)] for byte in drawn.to_bytes(5, "big"))
    assert len(spoken(reply)) <= len(reply)
