"""What endpoints do wrong, all at once: no verdict is lost, none is doubled, an error is never a score."""

import random
from collections import Counter
from collections.abc import Callable

import pytest

from mlubench.endpoint.limits import EndpointDownError
from mlubench.judging.llm.judge import LLMJudge
from support.judging_endpoint import FAULTS, LATE, UNPAID, Endpoint
from support.judging_questions import questions

Make = Callable[..., LLMJudge]


@pytest.mark.parametrize(
    ("share", "kinds", "dear"),
    [
        (0.3, FAULTS, 1.5),
        # 30% of 429 alone, and 4% of each other fault beside it.
        (0.58, ("429", "429 soon") * 4 + tuple(FAULTS[2:]), 1.5 + 0.3),
    ],
    ids=["30% of all", "30% of 429 and 28% of the rest"],
)
def test_a_mix_of_faults(
    endpoint: Endpoint, make_judge: Make, share: float, kinds: tuple[str, ...], dear: float
) -> None:
    endpoint.faults, endpoint.kinds, endpoint.draw = share, kinds, random.Random(1)
    asked, judge = questions(300), make_judge(parallel=12)
    verdicts = judge.judge(asked)
    assert set(endpoint.happened) == {"fine", *kinds}
    unscored = [v for v in verdicts if v.score is None]
    assert len(unscored) <= 0.01 * len(asked)
    assert all(v.score in (n % 3, None) for n, v in enumerate(verdicts))
    assert all(v.why for v in unscored)
    # By the endpoint's count, and by our own in tokens.
    assert endpoint.paid <= dear * len(asked)
    source = judge.source
    plain = len(asked) * (sum(len(m["content"]) for m in endpoint.asked[0]["messages"]) // 4 + 10)
    assert source.spend.prompt + source.spend.completion <= dear * 4 / 3 * plain  # type: ignore[attr-defined]


def patience_with(kind: str) -> float:
    """Seconds that an attempt may take: fewer than a late reply does, else more than any machine takes."""
    return 0.75 * LATE if kind == "late" else 30


@pytest.mark.parametrize("kind", FAULTS)
def test_one_fault_and_then_a_reply(endpoint: Endpoint, make_judge: Make, kind: str) -> None:
    endpoint.kinds = (kind,)
    turns = iter([True, True])
    endpoint.fault = lambda: kind if next(turns, False) else "fine"  # type: ignore[method-assign]
    (verdict,) = make_judge(timeout=patience_with(kind)).judge(questions(3)[2:])
    assert verdict.score == 2 and len(endpoint.asked) == 3


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_that_stays_is_no_score(endpoint: Endpoint, make_judge: Make, kind: str) -> None:
    endpoint.faults, endpoint.kinds = 1, (kind,)
    (verdict,) = make_judge(retries=2, timeout=patience_with(kind)).judge(questions(1))
    assert verdict.score is None
    assert len(verdict.why) > 20 and "\n" not in verdict.why
    assert len(endpoint.asked) == 3
    again = make_judge()
    endpoint.faults = 0
    assert again.judge(questions(1))[0].score == 0  # an error is not kept: it is asked again


@pytest.mark.timeout(60)
def test_an_endpoint_that_dies_keeps_what_it_said(endpoint: Endpoint, make_judge: Make) -> None:
    asked = questions(100)
    first = make_judge()
    plain, count = endpoint.fault, Counter[str]()

    def dying() -> str:
        count["asked"] += 1
        return "reset" if count["asked"] > 60 else plain()

    endpoint.fault = dying  # type: ignore[method-assign]
    with pytest.raises(EndpointDownError, match="requests in a row"):
        first.judge(asked)
    kept = first.outstanding(asked).known
    assert kept == 60
    endpoint.fault = plain  # type: ignore[method-assign]
    endpoint.asked.clear()
    verdicts = make_judge().judge(asked)
    assert [v.score for v in verdicts] == [n % 3 for n in range(100)]
    assert len(endpoint.asked) == 40


@pytest.mark.timeout(60)
def test_nobody_there_is_said_within_the_time_set(
    endpoint: Endpoint, make_judge: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(EndpointDownError):
        make_judge().judge(questions(1000))


@pytest.mark.timeout(60)
def test_one_that_takes_and_never_answers(endpoint: Endpoint, make_judge: Make) -> None:
    endpoint.hold = 300  # longer than this test may take: nothing that is under way is waited for
    with pytest.raises(EndpointDownError, match="imeout"):
        make_judge(timeout=0.3, patience=0.3).judge(questions(200))


def test_limits_of_the_defaults_end_within_thirty_seconds() -> None:
    """A dead endpoint is given up `patience` after the first failure, or when the first attempts time out."""
    from mlubench.judging.llm.endpoint import PATIENCE
    from mlubench.settings.judging import JudgeConfig

    assert max(PATIENCE, JudgeConfig().timeout) < 25


def test_unpaid_faults_cost_nothing(endpoint: Endpoint, make_judge: Make) -> None:
    endpoint.faults, endpoint.kinds = 0.5, tuple(sorted(UNPAID))
    judge = make_judge(retries=12)
    judge.judge(questions(50))
    assert judge.source.spend.completion == 500  # type: ignore[attr-defined]
    assert endpoint.paid == 50


def test_the_wrong_key_ends_it_at_once(endpoint: Endpoint, make_judge: Make) -> None:
    from mlubench.core.errors import UsageError

    endpoint.status = 401
    with pytest.raises(UsageError, match="OPENAI_API_KEY") as error:
        make_judge(parallel=4).judge(questions(500))
    assert len(endpoint.asked) < 20
    assert "secret" not in str(error.value)
