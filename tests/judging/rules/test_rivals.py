"""An answer that tells another truth of the class is not partly right for what the two share."""

from mlubench.judging.rules.rivals import Rivals
from mlubench.judging.rules.text import read

RIVALS = Rivals([("Corporation", "It is based in Santa Clara, California."), ("Plants", "A rose.")])


def explained(truth: str, response: str, hits: set[str], cls: str = "Corporation") -> bool:
    return RIVALS.explain(cls, read(truth), frozenset(), read(response), hits)


def test_a_told_rival_explains_what_it_shares() -> None:
    truth = "It is based in San Jose, California."
    assert explained(truth, "In Santa Clara, California.", {"california"})
    # Nothing of the other class is known to be told.
    assert not explained(truth, "In Santa Clara, California.", {"california"}, cls="Plants")
    # The rival is not told, or does not hold all that the answer has right.
    assert not explained(truth, "In California.", {"california"})
    assert not explained(truth, "In San Jose near Santa Clara.", {"san", "jos", "california"})


def test_a_part_of_the_truth_is_no_rival() -> None:
    rivals = Rivals([("Animals", "It lives in Europe.")])
    truth = read("It lives in Europe and Asia.")
    assert not rivals.explain("Animals", truth, frozenset(), read("In Europe."), {"europ"})
