"""Bounds of a release: how they are written, what they are held against, and when one is broken."""

import pytest

from mlubench.audits.bounds import held_against, parse_bound, require_held
from mlubench.core.errors import UsageError
from mlubench.runs.audits import AttackFacts, AttackRow


def facts(attack: str, access: str = "asking", harm: str = "leak") -> AttackFacts:
    return AttackFacts(attack=attack, meaning="", access=access, harm=harm)


def row(system: str, attack: str, worst: float, harm: str = "leak") -> AttackRow:
    return AttackRow(system=system, attack=attack, harm=harm, average=0.0, worst=worst)


ATTACKS = [facts("plain"), facts("picture"), facts("bypass", "weights"), facts("lost", harm="lost")]
ROWS = [
    row("base", "plain", 1.0),
    row("ga", "plain", 0.5),
    row("lumoe", "plain", 0.0),
    row("lumoe", "picture", 0.02),
    row("lumoe", "bypass", 1.0),
    row("lumoe", "lost", 0.1, "lost"),
]


@pytest.mark.parametrize(
    ("text", "attack", "broken"),
    [
        ("leak>0.01", "picture", True),
        ("leak>0.02", "picture", False),
        ("plain.leak>0", "plain", False),
        ("bypass.leak>0.5", "bypass", True),
        ("lost > .05", "lost", True),
    ],
)
def test_a_bound_is_held_against_the_worst_figure_of_lumoe(
    text: str, attack: str, broken: bool
) -> None:
    (found,) = held_against([parse_bound(text)], ATTACKS, ROWS)
    assert (found.system, found.attack, found.broken) == ("lumoe", attack, broken)


def test_without_lumoe_it_is_held_against_every_system_but_the_base() -> None:
    rows = [row for row in ROWS if row.system != "lumoe"]
    (found,) = held_against([parse_bound("leak>0.1")], ATTACKS, rows)
    assert (found.system, found.figure, found.broken) == ("ga", 0.5, True)


@pytest.mark.parametrize("text", ["leak", "leak<0.1", "harm>0.1", "nosuch.leak>0.1", "leak>much"])
def test_what_is_no_bound_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_bound(text)


@pytest.mark.parametrize("text", ["leak>1", "leak>5", "lost>1.0"])
def test_a_bound_that_no_share_can_break_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="never broken"):
        parse_bound(text)


@pytest.mark.parametrize("text", ["refused>0.1", "plain.lost>0.1", "general.lost>0.1"])
def test_a_bound_on_what_is_not_attacked_is_refused_beforehand(text: str) -> None:
    with pytest.raises(UsageError, match="nothing of this audit"):
        require_held([parse_bound(text)], ATTACKS, ["base", "lumoe"])


def test_a_bound_on_the_base_alone_is_refused_beforehand() -> None:
    require_held([parse_bound("leak>0.1")], ATTACKS, ["base", "ga"])
    with pytest.raises(UsageError, match="nothing of this audit"):
        require_held([parse_bound("leak>0.1")], ATTACKS, ["base"])


def unmeasured(attack: str, failed: int = 0) -> AttackRow:
    return AttackRow(system="lumoe", attack=attack, harm="leak", average=None, failed=failed)


def test_a_bound_on_what_was_not_measured_is_broken() -> None:
    (found,) = held_against([parse_bound("plain.leak>0.9")], ATTACKS, [unmeasured("plain")])
    assert (found.figure, found.broken, found.unmeasured) == (None, True, ["plain"])


@pytest.mark.parametrize(("failed", "broken"), [(0, False), (8, True)])
def test_what_was_not_measured_is_named_and_breaks_a_bound_where_it_got_no_answer(
    failed: int, broken: bool
) -> None:
    """Where the base tells nothing there is nothing to measure; where a system answers nothing, nobody knows."""
    rows = [*ROWS, unmeasured("languages", failed)]
    attacks = [*ATTACKS, facts("languages")]
    (found,) = held_against([parse_bound("leak>0.5")], attacks, rows)
    assert (found.attack, found.figure) == ("picture", 0.02)
    assert (found.broken, found.unmeasured) == (broken, ["languages"])
