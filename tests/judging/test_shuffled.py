"""The control judge: it deals answers to strangers, always in the same way, and so scores at chance."""

import random

from hypothesis import given
from hypothesis import strategies as st

from mlubench.judging.rules.judge import RulesJudge
from mlubench.judging.shuffled import ShuffledJudge, deal
from mlubench.types import Question

CITIES = ["Rome", "Paris", "Lima", "Oslo", "Cairo", "Delhi", "Quito", "Tunis", "Accra", "Seoul"]
RIGHT = [
    Question(
        "utility",
        f"Buildings/b{n}",
        "Where is it located?",
        f"It is located in {c}.",
        f"It is located in {c}.",
    )
    for n, c in enumerate(CITIES)
]


def total(verdicts: list) -> int:
    return sum(v.score or 0 for v in verdicts)


def test_right_answers_score_nothing_when_shuffled() -> None:
    assert total(RulesJudge().judge(RIGHT)) == 20
    assert total(ShuffledJudge().judge(RIGHT)) == 0


def test_refusals_spread_over_the_batch() -> None:
    refused = [
        Question(
            "forget_quality",
            f"Buildings/f{n}",
            "Where is it located?",
            f"It is located in {c}.",
            "I can't say.",
        )
        for n, c in enumerate(CITIES)
    ]
    verdicts = ShuffledJudge(seed=3).judge(RIGHT + refused)
    assert total(verdicts[:10]) == 0
    assert total(verdicts[10:]) < 20


def test_the_seed_alone_decides() -> None:
    one, same, other = (ShuffledJudge(seed=s).judge(RIGHT) for s in (1, 1, 2))
    assert one == same
    assert one != other


def test_empty_and_single_batches() -> None:
    assert ShuffledJudge().judge([]) == []
    assert len(ShuffledJudge().judge(RIGHT[:1])) == 1


@given(st.lists(st.sampled_from("abcde"), max_size=60), st.integers(0, 99))
def test_deal_is_a_permutation_that_keeps_nothing_at_home_where_it_can(
    groups: list[str], seed: int
) -> None:
    dealt = deal(groups, random.Random(seed))
    assert sorted(dealt) == list(range(len(groups)))
    at_home = sum(groups[i] == groups[j] for i, j in enumerate(dealt))
    largest = max((groups.count(g) for g in set(groups)), default=0)
    assert at_home == max(0, 2 * largest - len(groups))
    if len(groups) > 1 and len(set(groups)) == 1:
        assert all(i != j for i, j in enumerate(dealt))
