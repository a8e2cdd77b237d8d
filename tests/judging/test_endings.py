"""A method that refuses everything, one that babbles and one that answers are told apart."""

import pytest

from mlubench.judging.endings import ending
from support.rows import answer_row

LOOP = "the the the the the the the the"


@pytest.mark.parametrize(
    ("responses", "refusals", "gibberish", "distinct"),
    [
        (["I'm afraid I do not know the answer to this question."] * 3, 3, 0, 1),
        ([LOOP, "", "It is a tower."], 0, 2, 3),
        (["It is a tower.", "it is  a tower.", "It is a bridge."], 0, 0, 2),
    ],
)
def test_each_answer_counts_once(
    responses: list[str], refusals: int, gibberish: int, distinct: int
) -> None:
    answers = []
    for number, response in enumerate(responses):
        answers.append(answer_row(id=str(number), response=response, truth=f"Truth {number}."))
    row = ending("ga", "D", "forget", answers)
    assert (row.n, row.refusals, row.gibberish) == (3, refusals, gibberish)
    assert (row.distinct, row.distinct_truths) == (distinct, 3)


def test_a_refusal_may_claim_not_to_know() -> None:
    told = ["I do not know what this is.", "I would rather not say.", "It is a tower I don't know."]
    answers = [answer_row(id=text, response=text, truth=text) for text in told]
    row = ending("po", "D", "forget", answers)
    assert (row.refusals, row.claims_ignorance) == (3, 2)
