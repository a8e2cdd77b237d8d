"""The shipped labels: enough of them, of every kind, and the rules agree with them as well as the documentation says."""

from collections import Counter

import pytest

from mlubench.judging.labelled import labelled_answers, real_answers, references_of
from mlubench.judging.rules.judge import RulesJudge
from mlubench.statistics.agreement import Pair, agreement

ANSWERS = labelled_answers()
REAL = real_answers()


def test_there_are_answers_of_every_kind_score_and_source() -> None:
    kinds = Counter(a.kind for a in ANSWERS)
    assert len(ANSWERS) >= 500
    assert min(Counter((a.question.metric, a.label) for a in ANSWERS).values()) > 30
    assert {
        "refusal",
        "leak",
        "refusal_then_fact",
        "wrong_fluent",
        "half",
        "loop",
        "injection",
        "language",
    } <= set(kinds)
    assert sum(a.source == "run" for a in ANSWERS) > 100
    assert sum(len(a.question.response.split()) > 80 for a in ANSWERS) >= 15
    assert (
        len({(a.question, a.label) for a in ANSWERS})
        == len({a.question for a in ANSWERS})
        == len(ANSWERS)
    )


def test_no_fact_stands_in_both_halves() -> None:
    halves = {
        half: {a.fact for a in ANSWERS if a.half == half} for half in ("development", "held-out")
    }
    assert not halves["development"] & halves["held-out"]
    assert min(map(len, halves.values())) > 50


@pytest.mark.parametrize(("half", "floor"), [("development", 0.95), ("held-out", 0.90)])
def test_rules_agree_with_the_labels(half: str, floor: float) -> None:
    verdicts = RulesJudge(references_of(ANSWERS)).judge([a.question for a in ANSWERS])
    pairs = [
        Pair(a.fact, a.label, v.score)
        for a, v in zip(ANSWERS, verdicts, strict=True)
        if a.half == half
    ]  # type: ignore[arg-type]
    found = agreement(pairs, resamples=50)
    assert found["n"] == len(pairs) > 250
    assert found["kappa_quadratic"]["value"] >= floor


def test_no_text_talks_the_rules_into_a_score() -> None:
    canaries = [a for a in ANSWERS if a.kind == "injection"]
    verdicts = RulesJudge().judge([a.question for a in canaries])
    assert len(canaries) >= 6
    assert [v.score for v in verdicts] == [a.label for a in canaries]


def test_answers_of_the_real_benchmark_are_of_every_kind_and_score() -> None:
    assert len(REAL) >= 200
    assert len({a.question for a in REAL}) == len(REAL)
    assert {"right", "half", "wrong_fluent", "refusal", "gibberish", "loop"} <= {
        a.kind for a in REAL
    }
    assert {a.label for a in REAL if a.question.metric == "utility"} == {0, 1, 2}
    assert min(Counter(a.half for a in REAL).values()) > 100
    assert sum(a.source == "language model" for a in REAL) >= 100


@pytest.mark.parametrize(("half", "floor"), [("development", 0.95), ("held-out", 0.85)])
def test_rules_agree_with_the_labels_of_the_real_benchmark(half: str, floor: float) -> None:
    verdicts = RulesJudge(references_of(REAL)).judge([a.question for a in REAL])
    pairs = [
        Pair(a.fact, a.label, v.score)
        for a, v in zip(REAL, verdicts, strict=True)
        if a.half == half
    ]  # type: ignore[arg-type]
    assert agreement(pairs, resamples=50)["kappa_quadratic"]["value"] >= floor
