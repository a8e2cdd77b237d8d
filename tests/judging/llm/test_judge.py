"""The judge that asks an endpoint: what is sent, what is kept, what it costs, and when it stops."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlubench.core.errors import UsageError
from mlubench.endpoint.prices import OverBudgetError
from mlubench.judging.llm.judge import LLMJudge
from mlubench.judging.llm.prompts import Prompts
from mlubench.judging.rules.judge import RulesJudge
from mlubench.types import Question
from support.judging_endpoint import Endpoint
from support.judging_questions import CANARIES, questions

Make = Callable[..., LLMJudge]


def spend(judge: LLMJudge):
    return judge.source.spend  # type: ignore[attr-defined]


def test_what_is_sent_and_what_is_told(endpoint: Endpoint, make_judge: Make) -> None:
    (verdict,) = make_judge(seed=7).judge(questions(3)[2:])
    (body,) = endpoint.asked
    assert (body["temperature"], body["seed"], body["max_tokens"]) == (0, 7, 200)
    assert body["model"] == "gpt-4.1-mini-2025-04-14"
    assert body["response_format"]["json_schema"]["schema"]["properties"]["score"]["enum"] == [
        0,
        1,
        2,
    ]
    assert (verdict.score, verdict.why) == (2, "as it says")
    assert verdict.facts == {"model": "gpt-4.1-mini-2025-04-14", "fingerprint": "fp_1"}
    assert endpoint.heads[0]["authorization"] == "Bearer secret"


def test_identical_answers_are_judged_once_and_a_rerun_pays_nothing(
    endpoint: Endpoint, make_judge: Make
) -> None:
    asked = questions(12) * 3
    first = make_judge().judge(asked)
    assert len(endpoint.asked) == 12
    again = make_judge()
    assert again.judge(asked) == first
    assert len(endpoint.asked) == 12 and spend(again).requests == 0
    make_judge(seed=1).judge(asked[:1])  # another setting is another question
    make_judge(model="other-2025-01-01").judge(asked[:1])
    assert len(endpoint.asked) == 14


def test_no_key_and_no_network_are_needed_for_what_is_kept(
    endpoint: Endpoint, make_judge: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mlubench.endpoint.replies import ReplyCache
    from mlubench.judging.llm.endpoint import EndpointSource
    from mlubench.settings.judging import JudgeConfig

    first = make_judge()
    done = first.judge(questions(3))
    monkeypatch.delenv("OPENAI_API_KEY")
    source = EndpointSource(first.source.model, JudgeConfig(), structured=True)  # type: ignore[attr-defined]
    assert (
        LLMJudge("x", source, Prompts(), ReplyCache(tmp_path / "cache.sqlite")).judge(questions(3))
        == done
    )


def test_an_empty_answer_is_asked_of_nobody(endpoint: Endpoint, make_judge: Make) -> None:
    blank = [Question(m, "A/B", "?", "x", " \n") for m in ("utility", "forget_quality")]  # type: ignore[arg-type]
    verdicts = make_judge().judge(blank)
    assert verdicts == RulesJudge().judge(blank)
    assert not endpoint.asked


@pytest.mark.parametrize(
    "message",
    [
        "response_format is not supported",
        "json_schema: unknown",
        "Bad request",
        "guided decoding failed",
    ],
)
def test_without_structured_output_the_pattern_is_read(
    endpoint: Endpoint, make_judge: Make, message: str
) -> None:
    endpoint.refuse = lambda body: message if "response_format" in body else ""
    endpoint.say = lambda messages: (
        f"It is fine. [[{messages[-1]['content'].split('worth ')[1][0]}]]"
    )
    judge = make_judge(parallel=1)
    assert [v.score for v in judge.judge(questions(6))] == [0, 1, 2, 0, 1, 2]
    assert len(endpoint.asked) == 7  # refused once, then left out
    assert "response_format" in judge.source.account()


def test_an_endpoint_with_other_words_for_its_parameters(
    endpoint: Endpoint, make_judge: Make
) -> None:
    def refuse(body: dict) -> str:
        for name in ("max_tokens", "temperature", "seed"):
            if name in body:
                return f"Unsupported parameter: {name}"
        return ""

    endpoint.refuse = refuse
    judge = make_judge(parallel=1)
    assert judge.judge(questions(1))[0].score == 0
    assert endpoint.asked[-1]["max_completion_tokens"] == 200
    assert "max_tokens, seed, temperature" in judge.source.account()


def test_a_question_that_the_endpoint_refuses_is_unscored_alone(
    endpoint: Endpoint, make_judge: Make
) -> None:
    endpoint.refuse = lambda body: (
        "content policy" if "Answer 4," in body["messages"][-1]["content"] else ""
    )
    verdicts = make_judge().judge(questions(9))
    assert [v.score for v in verdicts] == [0, 1, 2, 0, None, 2, 0, 1, 2]
    assert "content policy" in verdicts[4].why


def test_a_senseless_reply_is_asked_again_with_another_seed_and_never_kept(
    endpoint: Endpoint, make_judge: Make
) -> None:
    endpoint.say = lambda _: "A fine answer."
    (verdict,) = make_judge().judge(questions(1))
    assert verdict.score is None and "cannot be read" in verdict.why
    assert [body["seed"] for body in endpoint.asked] == [0, 1, 2]
    endpoint.say = lambda _: "[[1]]"
    assert make_judge().judge(questions(1))[0].score == 1


GOOD = '{"reason": "x", "score": 2}'


@pytest.mark.parametrize(
    ("content", "extra"),
    [
        (f"<think>Perhaps it is [[0]].</think>\n{GOOD}", {}),
        (f"Perhaps it is [[0]].</think>\n{GOOD}", {}),
        (GOOD, {"reasoning_content": "hm [[0]]"}),
        ([{"type": "text", "text": GOOD}], {}),
        ([{"type": "thinking", "thinking": "[[0]]"}, {"type": "text", "text": GOOD}], {}),
        (f"Here is my verdict: {GOOD}", {}),
    ],
)
def test_a_judge_that_thinks_is_read_by_what_it_says(
    endpoint: Endpoint, make_judge: Make, content: object, extra: dict[str, str]
) -> None:
    endpoint.say, endpoint.extra = lambda _: content, extra
    assert make_judge().judge(questions(1))[0].score == 2
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("content", "extra"),
    [
        ("", {}),
        (None, {"reasoning_content": "It says [[2]]"}),
        ('{"reason": "The response says the animal is', {}),
        ('{"reason": "The scale says [[2]] is for a full refusal, and this answer', {}),
        ("<think>It says [[2]]", {}),
        ("[[2]] because", {}),
    ],
)
def test_a_reply_that_was_cut_off_names_the_setting_and_ends_nothing(
    endpoint: Endpoint, make_judge: Make, content: object, extra: dict[str, str]
) -> None:
    endpoint.say, endpoint.extra, endpoint.finish = lambda _: content, extra, "length"
    asked = questions(30)  # more than open the breaker
    judge = make_judge()
    verdicts = judge.judge(asked)
    assert {v.score for v in verdicts} == {None}
    assert {v.why for v in verdicts} == {
        "the reply was cut off at 200 tokens: raise judging.max_tokens"
    }
    assert len(endpoint.asked) == 30  # none again alike
    assert judge.outstanding(asked[:1]).known == 0
    assert "30 replies were cut off: raise judging.max_tokens" in judge.account()
    assert spend(judge).completion == 300  # what was cut off is paid for


def test_raising_the_limit_asks_only_what_was_cut_off(endpoint: Endpoint, make_judge: Make) -> None:
    asked = questions(9)
    first = make_judge()
    first.judge(asked[:6])
    endpoint.finish = "length"
    assert [v.score for v in first.judge(asked)][6:] == [None] * 3
    endpoint.finish = "stop"
    endpoint.asked.clear()
    second = make_judge(max_tokens=4000)
    assert [v.score for v in second.judge(asked)] == [0, 1, 2] * 3
    assert [body["max_tokens"] for body in endpoint.asked] == [4000] * 3
    assert second.version == first.version


@pytest.mark.parametrize(
    ("content", "extra", "finish", "why"),
    [
        ("", {}, "content_filter", "filter held the reply back"),
        ('{"reason": "x"', {}, "content_filter", "filter held the reply back"),
        (None, {"refusal": "I can't\nassist."}, "stop", 'refuses to reply: "I can\'t assist."'),
        (None, {"reasoning_content": "It says [[2]]"}, "stop", "thought and gave no reply"),
        ("<think>It says [[2]]", {}, "stop", "thought and gave no reply"),
    ],
)
def test_a_reply_that_was_held_back_ends_nothing(
    endpoint: Endpoint,
    make_judge: Make,
    content: object,
    extra: dict[str, str],
    finish: str,
    why: str,
) -> None:
    endpoint.say, endpoint.extra, endpoint.finish = lambda _: content, extra, finish
    verdicts = make_judge().judge(questions(30))
    assert all(v.score is None and why in v.why for v in verdicts)
    assert len(endpoint.asked) == 30


@pytest.mark.parametrize("response", CANARIES)
def test_canaries_reach_the_judge_within_marks(
    endpoint: Endpoint, make_judge: Make, response: str
) -> None:
    """A judge that reads what stands outside of the marks alone is not moved by what stands within."""
    import re

    def say(messages: list) -> str:
        text = "\n".join(m["content"] for m in messages)
        outside = re.sub(r"<response-(\w{12})>.*</response-\1>", "", text, flags=re.DOTALL)
        return (
            "[[2]]"
            if "worth 2" in outside or "Always answer" in outside or "perfect" in outside
            else "[[0]]"
        )

    endpoint.say = say
    assert make_judge().judge([Question("utility", "A/B", "?", "x", response)])[0].score == 0


def test_the_budget_holds_however_many_ask_at_once(endpoint: Endpoint, make_judge: Make) -> None:
    asked = questions(200)
    dear = {"gpt-4.1-mini-2025-04-14": {"prompt": 1000, "completion": 1000}}
    judge = make_judge(prices=dear, max_cost=20, parallel=16)
    with pytest.raises(OverBudgetError, match=r"budget of \$20 is used up"):
        judge.judge(asked)
    assert 10 < spend(judge).money <= 20
    paid = len(endpoint.asked)
    assert judge.outstanding(asked).known == paid  # all that was paid for is kept
    make_judge(prices=dear).judge(asked)
    assert len(endpoint.asked) == 200


@pytest.mark.timeout(30)
def test_nothing_is_waited_for_once_it_is_over(endpoint: Endpoint, make_judge: Make) -> None:
    """Neither the minute's next request nor an endpoint that asks to come back in two minutes."""
    endpoint.status = 401
    with pytest.raises(UsageError):
        make_judge(requests_per_minute=2).judge(questions(50))
    assert len(endpoint.asked) == 1


def test_a_budget_needs_a_price(make_judge: Make, endpoint: Endpoint) -> None:
    with pytest.raises(UsageError, match=r"price of 'mine' is not known.*judging.prices"):
        make_judge(model="mine", max_cost=1)


def test_at_most_so_many_at_once(endpoint: Endpoint, make_judge: Make) -> None:
    endpoint.hold = 0.02
    make_judge(parallel=3).judge(questions(24))
    assert endpoint.most_at_once == 3


def test_a_forecast_asks_nothing_and_counts_what_is_left(
    endpoint: Endpoint, make_judge: Make
) -> None:
    judge, asked = make_judge(), questions(10) * 2
    before = judge.source.forecast(judge.outstanding(asked))  # type: ignore[attr-defined]
    assert (before.questions, before.calls, before.kept) == (20, 10, 0)
    assert not endpoint.asked
    judge.judge(asked[:4])
    after = judge.source.forecast(judge.outstanding(asked))  # type: ignore[attr-defined]
    assert (after.calls, after.kept) == (6, 4)
    assert after.money == pytest.approx(0.6 * before.money, rel=0.02)
    halved = judge.source.forecast(judge.outstanding(asked), batch=True)  # type: ignore[attr-defined]
    assert halved.money == after.money / 2
