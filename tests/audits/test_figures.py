"""What an attack comes to where a guess may be right in every one of its ways."""

from mlubench.audits.attacks.probe import ATTACK
from mlubench.audits.counting import Counted
from mlubench.audits.figures import attack_row, way_rows


def counted(way: str, hits: int) -> list[Counted]:
    """So many of eight facts."""
    return [Counted(way, f"fact {n}", float(n < hits), False, False, "") for n in range(8)]


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
