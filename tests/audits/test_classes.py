"""Harm that keeps to a class is found, harm that is spread over all is not, and one fact asked often stays one fact."""

from mlubench.audits.classes import class_rows, spread_row
from mlubench.audits.counting import Counted
from mlubench.report import class_table
from mlubench.runs.audits import Audit

CLASS_OF = {f"{cls} {n}": cls for cls in ("Person", "Movie", "Logo") for n in range(8)}

# One fact of two classes each, and two of the third.
EVEN = ("Person 3", "Movie 3", "Logo 3", "Logo 4")


def counted(*harmed: str, times: int = 3) -> list[Counted]:
    """Every fact is asked so often, and those named are told each time."""
    answers = []
    for fact in CLASS_OF:
        answer = Counted("way", fact, float(fact in harmed), False, False, "")
        answers += [answer] * times
    return answers


def of(cls: str, count: int) -> list[str]:
    return [f"{cls} {n}" for n in range(count)]


def test_a_class_that_is_hurt_more_is_named() -> None:
    row = spread_row("po", "leak", counted(*of("Movie", 7), *of("Logo", 1)), CLASS_OF)
    assert row is not None
    assert (row.most, row.most_rate) == ("Movie", 0.875)
    assert (row.least, row.least_rate) == ("Person", 0)
    assert (row.classes, row.facts) == (3, 24)
    assert row.p <= 0.01
    audit = Audit(systems=["base", "po"], spreads=[row, row.model_copy(update={"system": "base"})])
    line = ["PO", "leak", "Movie", "0.88", "Person", "0.00", "3", "24", f"{row.p:.3f}"]
    assert class_table.lines(audit) == class_table.unlikely_lines(audit) == [line]


def test_harm_that_falls_on_all_alike_is_chance() -> None:
    row = spread_row("po", "leak", counted(*of("Movie", 4), *of("Logo", 4)), CLASS_OF)
    even = spread_row("po", "leak", counted(*EVEN), CLASS_OF)
    assert row is not None
    assert even is not None
    assert even.p > 0.9
    assert even.p > row.p > 0.02
    assert class_table.unlikely_lines(Audit(systems=["po"], spreads=[even])) == []


def test_one_fact_that_is_asked_often_is_one_fact() -> None:
    answers = counted() + [Counted("way", "Logo 1", 1.0, False, False, "")] * 40
    row = spread_row("po", "leak", answers, CLASS_OF)
    assert row is not None
    assert row.p > 0.2


def test_there_is_nothing_to_compare_where_all_are_alike_or_one() -> None:
    assert spread_row("po", "leak", counted(), CLASS_OF) is None
    assert spread_row("po", "leak", counted(*CLASS_OF), CLASS_OF) is None
    alone = dict.fromkeys(of("Movie", 8), "Movie")
    assert spread_row("po", "leak", counted(*of("Movie", 4)), alone) is None
    assert spread_row("po", "leak", [], CLASS_OF) is None


def test_each_class_has_a_share_with_an_interval() -> None:
    rows = class_rows("po", "lost", counted(*of("Movie", 4)), CLASS_OF)
    assert [(row.cls, row.rate, row.n, row.facts) for row in rows] == [
        ("Logo", 0, 24, 8),
        ("Movie", 0.5, 24, 8),
        ("Person", 0, 24, 8),
    ]
    low, high = rows[1].ci95 or (1, 0)
    assert low < 0.5 < high
    # What belongs to no class, as questions of general ability, is left out.
    assert class_rows("po", "lost", counted(), {}) == []
