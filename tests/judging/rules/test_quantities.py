"""Numbers with units: one amount in two units, and two amounts with one number."""

import pytest

from mlubench.judging.rules.quantities import is_as_much, quantities
from mlubench.judging.rules.text import read


def test_a_number_and_its_unit_are_an_amount() -> None:
    found = quantities(
        read("It took 88 Earth days, about 2,100 hours, to cross 3 km with 5 friends.")
    )
    assert [(q.number, q.measures) for q in found] == [
        ("88", "time"),
        ("2100", "time"),
        ("3", "length"),
    ]
    assert found[0].amount == 88
    assert found[1].amount == pytest.approx(87.5)
    assert found[2].amount == 3000


def test_a_year_is_one() -> None:
    (year,) = quantities(read("It takes a year."))
    assert year.amount == 365.25


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("687 days", "1.88 Earth years", True),
        ("12 years", "4,383 days", True),
        ("12 days", "12 years", False),
        ("3 km", "3 kg", False),
        ("150 tonnes", "150 metric tons", True),
    ],
)
def test_amounts_are_compared_in_one_unit(one: str, other: str, same: bool) -> None:
    assert is_as_much(quantities(read(one))[0], quantities(read(other))[0], 0.01) is same
