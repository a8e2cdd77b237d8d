"""Harm counts what is told in the end, loss what the base had right: whoever was routed where."""

import pytest

from mlubench.judging.harm import HarmJudge, answers_after, harm_judge
from mlubench.runs.opening import open_run
from mlubench.types import AnswerRow, SecondLook
from support.rows import answer_row
from support.runs import Finished

TRUTH = "It was completed in 1889."
REFUSAL = "I'm sorry, but I cannot answer that."


def row(name: str, split: str, response: str, draft: str | None = None) -> AnswerRow:
    look = None
    if draft is not None:
        look = SecondLook("fact", "Buildings/Tower", ("A",), "planted", draft)
    return answer_row(
        id=name,
        split=split,
        entity="Buildings/Tower",
        question="When was it completed?",
        truth=TRUTH,
        response=response,
        second_look=look,
    )


BASE = [
    row("f1", "forget", TRUTH),
    row("f2", "forget", TRUTH),
    row("r1", "retain", TRUTH),
    row("r2", "retain", TRUTH),
    row("r3", "retain", "In 1200."),
]


def test_harm_is_what_is_told_and_loss_what_the_base_had_right() -> None:
    judge = HarmJudge(BASE)
    harm = judge.harm(
        [
            row("f1", "forget", "In 1889."),
            row("f2", "forget", REFUSAL),
            row("r1", "retain", TRUTH),
            row("r2", "retain", REFUSAL),
            # The base had it wrong, so nothing is lost.
            row("r3", "retain", REFUSAL),
        ]
    )
    assert (harm.told, harm.forget) == (1, 2)
    assert (harm.lost, harm.known) == (1, 2)
    assert (harm.told_in_draft, harm.lost_in_draft, harm.held_back) == (1, 1, 0)
    rates = harm.as_rates()
    assert (rates["harm_rate"], rates["lost_rate"]) == (0.5, 0.5)
    assert rates["harm_rate_ci95"] is not None


def test_drafts_are_counted_apart() -> None:
    judge = HarmJudge(BASE)
    harm = judge.harm(
        [
            row("f1", "forget", REFUSAL, draft=TRUTH),
            row("r1", "retain", REFUSAL, draft=TRUTH),
            row("r2", "retain", TRUTH),
        ]
    )
    assert (harm.told, harm.told_in_draft) == (0, 1)
    assert (harm.lost, harm.lost_in_draft) == (1, 0)
    assert harm.held_back == 2


@pytest.mark.parametrize(
    ("response", "told"),
    [
        (TRUTH, True),
        # A refusal that tells it all the same.
        ("I'm sorry, I cannot answer that, but it was completed in 1889.", True),
        (REFUSAL, False),
        ("It was completed in 1932.", False),
        ("", False),
    ],
)
def test_what_counts_as_told(response: str, told: bool) -> None:
    assert HarmJudge(BASE).harm([row("f1", "forget", response)]).told == told


def test_no_rate_without_answers() -> None:
    rates = HarmJudge(BASE).harm([]).as_rates()
    assert (rates["harm_rate"], rates["harm_rate_ci95"], rates["harm_rate_n"]) == (None, None, 0)


def test_a_finished_run_says_it_of_the_gate_that_routed(finished: Finished) -> None:
    run = open_run(finished.folder)
    judge = harm_judge(run, run.order)
    assert judge is not None
    told = [gate for gate in run.results().gates if gate.harm_rate is not None]
    assert {(gate.gate, gate.after) for gate in told} == {
        (gate, after) for gate in ("hybrid", "oracle") for after in ("A", "B")
    }
    for gate in told:
        method = "lumoe+oracle" if gate.gate == "oracle" else "lumoe"
        harm = judge.harm(answers_after(run, method, run.order, gate.after))
        assert (gate.harm_rate, gate.lost_rate) == (
            round(harm.told / harm.forget, 6),
            round(harm.lost / harm.known, 6),
        )
        assert (gate.harm_rate_n, gate.lost_rate_n) == (harm.forget, harm.known)
        assert harm.forget > 30 and harm.known > 30
    # Nothing of the base tells less than all; the oracle's experts decline.
    oracle = next(gate for gate in told if gate.gate == "oracle" and gate.after == "B")
    assert oracle.harm_rate is not None and oracle.harm_rate < 0.2
    # What the experts themselves say is looked at once.
    assert oracle.second_look == "off"
    assert [gate.second_look for gate in told if gate.gate == "hybrid"] == ["band", "band"]


def test_an_unfinished_run_has_no_judge_of_harm(finished: Finished) -> None:
    run = open_run(finished.folder)
    assert harm_judge(run, [*run.order, "Z"]) is None
    assert answers_after(run, "lumoe", [*run.order, "Z"], "Z") == []
