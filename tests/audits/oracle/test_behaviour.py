"""The distance of two behaviours: kinds of answers, KL by hand, and the truth ratio."""

import math

import pytest
import torch

from mlubench.audits.oracle.behaviour import Behaviour, distance, kind_of, kl, truth_ratio
from mlubench.audits.oracle.metrics import exposure
from mlubench.audits.targets import Targets
from mlubench.judging.harm import HarmJudge
from support.attacking import REFUSAL, scores_of


def test_kl_is_the_mean_over_tokens() -> None:
    even = torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log()
    skewed = torch.tensor([[0.5, 0.5], [0.25, 0.75]]).log()
    tokens = torch.tensor([0, 1])
    second = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    assert kl((even, tokens), (skewed, tokens)) == pytest.approx(second / 2)
    assert kl((even, tokens), (even, tokens)) == 0
    assert kl((even, tokens), None) is None
    assert kl((even, tokens), (skewed * math.nan, tokens)) is None


def test_the_truth_ratio_is_above_zero_where_the_truth_is_no_favourite() -> None:
    known = [scores_of("the truth", -0.5), scores_of("a rival", -2.5)]
    unknown = [scores_of("the truth", -2.0), scores_of("a rival", -1.0)]
    assert truth_ratio([known]) == -2
    assert truth_ratio([unknown]) == 1
    assert truth_ratio([known, unknown, []]) == -0.5
    assert truth_ratio([[]]) is None


def test_exposure_is_highest_for_the_likeliest_of_all() -> None:
    rivals = [scores_of("a rival", -2.0)] * 3
    assert exposure([scores_of("the truth", -1.0), *rivals]) == 2
    assert exposure([scores_of("the truth", -3.0), *rivals]) == 0


def test_answers_are_told_apart_by_what_they_do(targets: Targets, judge: HarmJudge) -> None:
    target = targets.forgotten[0]
    assert kind_of(target, target.sample.truth, judge) == "truth"
    assert kind_of(target, REFUSAL, judge) == "refusal"
    assert kind_of(target, "", judge) == "gibberish"
    assert kind_of(target, "It is a teapot.", judge) == "other"


def test_a_system_that_refuses_is_far_from_an_oracle_that_guesses(targets: Targets) -> None:
    asked = targets.forgotten[:2]
    guesses = Behaviour(["It is green.", "It is red."], ["other", "other"], [None, None], [[], []])
    refuses = Behaviour([REFUSAL] * 2, ["refusal"] * 2, [None, None], [[], []])
    row = distance("gate-only", "A", "forgotten", asked, guesses, refuses)
    assert (row.same_kind, row.same_text, row.refusals, row.refusals_of_oracle) == (0, 0, 1, 0)
    assert (row.kl, row.kl_n) == (None, 0)
    itself = distance("oracle", "A", "forgotten", asked, guesses, guesses)
    assert itself.same_kind == itself.same_text == 1
