"""Numbers with units: "687 days" and "1.88 Earth years" are one time, "12 days" and "12 years" are two."""

from dataclasses import dataclass

from mlubench.judging.rules.text import Reading, stem

# Words that may stand between a number and its unit: "88 Earth days".
_BETWEEN = frozenset(map(stem, ("Earth", "terrestrial", "full", "square", "metric", "standard")))

# Units by what they measure: how many of the first unit one of each holds.
_UNITS = {
    "time": {
        "day": 1.0,
        "hour": 1 / 24,
        "minute": 1 / 1440,
        "week": 7.0,
        "month": 30.44,
        "year": 365.25,
        "decade": 3652.5,
        "century": 36525.0,
    },
    "length": {
        "m": 1.0,
        "metre": 1.0,
        "meter": 1.0,
        "km": 1000.0,
        "kilometre": 1000.0,
        "kilometer": 1000.0,
        "cm": 0.01,
        "centimetre": 0.01,
        "centimeter": 0.01,
        "foot": 0.3048,
        "feet": 0.3048,
        "ft": 0.3048,
        "inch": 0.0254,
        "mile": 1609.344,
    },
    "weight": {
        "kg": 1.0,
        "kilogram": 1.0,
        "gram": 0.001,
        "ton": 1000.0,
        "tonne": 1000.0,
        "pound": 0.4536,
        "lb": 0.4536,
    },
}


@dataclass(frozen=True, slots=True)
class Unit:
    measures: str
    size: float


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit."""

    # As the reading has them.
    number: str
    unit: str
    # What it measures, and how much, in the first unit of the table.
    measures: str
    amount: float


def _by_stem() -> dict[str, Unit]:
    found = {}
    for measures, sizes in _UNITS.items():
        for name, size in sizes.items():
            found[stem(name)] = Unit(measures, size)
    return found


_UNIT_OF = _by_stem()


def quantities(reading: Reading) -> list[Quantity]:
    """The numbers of a text that a unit follows, in order."""
    found = []
    for index, number in enumerate(reading.words):
        amount = _amount(number)
        if amount is None:
            continue
        for word in reading.words[index + 1 : index + 3]:
            unit = _UNIT_OF.get(word)
            if unit:
                found.append(Quantity(number, word, unit.measures, amount * unit.size))
            if word not in _BETWEEN:
                break
    return found


def _amount(word: str) -> float | None:
    # "A year" is one.
    if word == "a":
        return 1.0
    try:
        return float(word)
    except ValueError:
        return None


def is_as_much(a: Quantity, b: Quantity, tolerance: float) -> bool:
    """Whether two quantities are one, up to a share of the second."""
    return a.measures == b.measures and abs(a.amount - b.amount) <= tolerance * abs(b.amount)
