"""Measures of probabilities against arithmetic by hand, and how a model's own reading gives them."""

import math
from dataclasses import replace

import pytest

from mlubench.audits.attack import Target, Way
from mlubench.audits.attacks.memory import ATTACK
from mlubench.audits.reading import token_scores
from mlubench.audits.scores import (
    TokenScores,
    extraction_strength,
    is_first,
    mean_log_prob,
    min_k,
    min_k_plus_plus,
)
from mlubench.audits.targets import Targets
from mlubench.models.mllm import MLLM
from mlubench.models.probe import answer_log_probs
from mlubench.models.query import Query
from support.attacking import scores_of

SCORES = TokenScores(
    "a b c d e",
    log_probs=(-1.0, -2.0, -0.5, -4.0, -0.1),
    likeliest=(True, False, True, True, True),
    surprises=(0.5, -3.0, 0.0, 1.0, 2.0),
)


def test_measures_are_what_they_say() -> None:
    assert mean_log_prob(SCORES) == pytest.approx(-7.6 / 5)
    # A fifth of five tokens is one: the least likely.
    assert min_k(SCORES) == -4.0
    assert min_k_plus_plus(SCORES) == -3.0
    # All after the second token follow by themselves.
    assert extraction_strength(SCORES) == 0.6
    assert extraction_strength(replace(SCORES, likeliest=(True,) * 5)) == 1
    assert extraction_strength(replace(SCORES, likeliest=(True,) * 4 + (False,))) == 0


def test_a_truth_is_first_only_above_all_others() -> None:
    assert is_first([-1.0, -2.0, -3.0])
    assert not is_first([-1.0, -1.0])
    assert not is_first([math.nan, -1.0])
    assert is_first([-1.0, math.nan])


@pytest.mark.parametrize("way", ATTACK.ways, ids=lambda way: way.name)
def test_a_known_truth_is_found_and_an_unknown_one_is_not(way: Way) -> None:
    assert way.measure is not None
    rivals = [scores_of(f"rival number {number}", -2.0) for number in range(3)]
    assert way.measure([scores_of("the truth itself", -0.5), *rivals]) == 1
    assert way.measure([scores_of("the truth itself", -5.0), *rivals]) == 0


def test_a_model_reads_the_truth_as_the_likeliest_and_says_it_by_itself(
    mllm: MLLM, targets: Targets
) -> None:
    target: Target = targets.forgotten[0]
    query = Query(target.picture, target.question)
    wrong = "It is a teapot that stands on the moon."
    truth, other = token_scores(mllm, [query, query], [target.sample.truth, wrong])
    assert extraction_strength(truth) == 1 > extraction_strength(other)
    assert mean_log_prob(truth) > mean_log_prob(other)
    assert min_k_plus_plus(truth) > min_k_plus_plus(other)
    expected = answer_log_probs(mllm, [query], [wrong])
    assert mean_log_prob(other) == pytest.approx(expected[0], abs=1e-4)
