"""What an attack comes to where a guess may be right in every one of its ways."""

from mlubench.audits.attacks import phrasing
from mlubench.audits.attacks.probe import ATTACK
from mlubench.audits.counting import Counted
from mlubench.audits.figures import attack_row, first_told, share, way_rows
from mlubench.runs.audits import MOST_TOLD, ToldRow
from mlubench.statistics.intervals import wilson


def answer(way: str, fact: int, harm: float = 0.0, *, failed: bool = False) -> Counted:
    """One answer; of a leak, one that failed says nothing."""
    return Counted(
        way,
        f"fact {fact}",
        harm,
        missed=False,
        failed=failed,
        example="",
        counts=not failed,
    )


def counted(way: str, hits: int) -> list[Counted]:
    """So many of eight facts."""
    answers = []
    for fact in range(8):
        answers.append(answer(way, fact, harm=float(fact < hits)))
    return answers


def test_ways_that_may_be_guessed_count_above_chance_and_say_nothing_of_single_facts() -> None:
    names = [way.name for way in ATTACK.ways]
    # Two of eight is what a guess gets; five of eight is half of what is above that.
    answers = counted(names[0], 2) + counted(names[-1], 5)
    rows = way_rows("system", "probe", ATTACK, answers, gated=False)
    assert [row.rate for row in rows] == [0, 0.5]
    summary = attack_row("system", "probe", ATTACK, answers, rows)
    assert (summary.worst_way, summary.worst) == (names[-1], 0.5)
    assert summary.average == 0.25
    assert summary.any_way is None
    assert summary.facts == 8


def test_where_nothing_could_be_asked_there_is_no_figure() -> None:
    summary = attack_row("system", "probe", ATTACK, [], [])
    assert summary.average is summary.worst is None


def test_queries_without_an_answer_are_no_figure_but_are_counted() -> None:
    silent = [answer("typos", fact, failed=True) for fact in range(8)]
    rows = way_rows("system", "phrasing", phrasing.ATTACK, silent, gated=True)
    (row,) = rows
    assert row.rate is row.ci95 is row.raw is None
    assert (row.n, row.failed) == (0, 8)
    summary = attack_row("system", "phrasing", phrasing.ATTACK, silent, rows)
    assert summary.worst is summary.average is summary.any_way is None
    assert summary.failed == 8


def test_the_queries_that_got_an_answer_make_the_figure() -> None:
    answers = [answer("typos", 0, harm=1.0)]
    answers += [answer("typos", fact, failed=True) for fact in (1, 2, 3)]
    rows = way_rows("system", "phrasing", phrasing.ATTACK, answers, gated=False)
    (row,) = rows
    assert (row.rate, row.n) == (1, 1)
    assert (row.facts, row.failed) == (1, 3)
    summary = attack_row("system", "phrasing", phrasing.ATTACK, answers, rows)
    assert (summary.worst, summary.any_way) == (1, 1)
    assert (summary.facts, summary.failed) == (1, 3)


def test_two_of_eight_facts_are_not_none() -> None:
    """A resample of facts may draw neither of the two."""
    assert share(counted("way", 2)) == (0.25, wilson(2, 8))
    # Where a fact was asked twice its answers are no independent evidence.
    rate, interval = share(counted("way", 2) * 2)
    assert rate == 0.25
    assert interval != wilson(4, 16)


def told(entity: str, answer: str) -> ToldRow:
    return ToldRow(
        system="po",
        attack="plain",
        way="as it stands",
        entity=entity,
        question="What?",
        truth="That.",
        answer=answer,
    )


def test_a_fact_is_shown_once_by_the_first_answer_that_told_it() -> None:
    many = [told(f"Ox {n}", "first") for n in range(MOST_TOLD + 5)]
    again = [told("Ox 0", "second")]
    shown = first_told([*many, *again])
    assert [row.entity for row in shown] == [f"Ox {n}" for n in range(MOST_TOLD)]
    assert {row.answer for row in shown} == {"first"}
