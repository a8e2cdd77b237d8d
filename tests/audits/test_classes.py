"""Harm that keeps to a class is found, harm that is spread over all is not, and one fact asked often stays one fact."""

from mlubench.audits.classes import class_rows, spread_row
from mlubench.audits.counting import Counted
from mlubench.report import class_table
from mlubench.runs.audits import Audit, SpreadRow

CLASS_OF = {f"{cls} {n}": cls for cls in ("Person", "Movie", "Logo") for n in range(8)}

# One fact of two classes each, and two of the third.
EVEN = ("Person 3", "Movie 3", "Logo 3", "Logo 4")


TIMES = 3


def answer(fact: str, harm: float) -> Counted:
    return Counted("way", fact, harm, missed=False, failed=False, example="")


def counted(*harmed: str) -> list[Counted]:
    """Every fact is asked three times, and those named are told each time."""
    answers = []
    for fact in CLASS_OF:
        answers += [answer(fact, float(fact in harmed))] * TIMES
    return answers


def of(cls: str, count: int) -> list[str]:
    return [f"{cls} {n}" for n in range(count)]


def test_a_class_that_is_hurt_more_is_named() -> None:
    told = [*of("Movie", 7), *of("Logo", 1)]
    row = spread_row("po", "leak", counted(*told), CLASS_OF)
    assert row is not None
    assert (row.most, row.most_rate) == ("Movie", 0.875)
    assert (row.least, row.least_rate) == ("Person", 0)
    assert (row.classes, row.facts) == (3, 24)
    assert row.p <= 0.01


def test_the_table_leaves_the_base_out_and_the_terminal_what_may_be_chance() -> None:
    row = SpreadRow(
        system="po",
        harm="leak",
        most="Movie",
        most_rate=0.875,
        least="Person",
        least_rate=0,
        classes=3,
        facts=24,
        p=0.001,
    )
    of_base = row.model_copy(update={"system": "base"})
    by_chance = row.model_copy(update={"harm": "lost", "p": 0.4})
    audit = Audit(spreads=[of_base, row, by_chance])
    line, other = class_table.lines(audit)
    assert line == ["PO", "leak", "Movie", "0.88", "Person", "0.00", "3", "24", "0.001"]
    assert other[-1] == "0.400"
    assert class_table.unlikely_lines(audit) == [line]


def test_harm_that_falls_on_all_alike_is_chance() -> None:
    told = [*of("Movie", 4), *of("Logo", 4)]
    row = spread_row("po", "leak", counted(*told), CLASS_OF)
    even = spread_row("po", "leak", counted(*EVEN), CLASS_OF)
    assert row is not None
    assert even is not None
    assert even.p > 0.9
    assert even.p > row.p > 0.02


def test_one_fact_that_is_asked_often_is_one_fact() -> None:
    answers = counted() + [answer("Logo 1", harm=1.0)] * 40
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
