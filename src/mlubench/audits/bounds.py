"""Bounds that a release must keep, as `leak>0.01`: which figures they are held against, and whether one is broken."""

import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from mlubench.audits.table import ATTACKS
from mlubench.core.errors import UsageError
from mlubench.runs.audits import AttackFacts, AttackRow, BoundRow
from mlubench.runs.folder import BASE

HARMS = ("leak", "lost", "refused")
_FORM = re.compile(r"(?:(?P<attack>[\w-]+)\.)?(?P<harm>\w+)\s*>\s*(?P<most>\d*\.?\d+)")


@dataclass(frozen=True, slots=True)
class Bound:
    """What is too much."""

    # As it was written.
    text: str
    harm: str
    most: float
    # The one attack that it is about; None for all that only ask.
    attack: str | None


def parse_bound(text: str) -> Bound:
    """`[ATTACK.]leak>0.01`. Raises UsageError for another form, an attack that is not there, and what cannot be broken."""
    found = _FORM.fullmatch(text.strip())
    if found is None or found["harm"] not in HARMS:
        raise UsageError(
            f"--fail-if {text!r} is no bound",
            f"Write FIGURE>SHARE or ATTACK.FIGURE>SHARE, with a FIGURE of {', '.join(HARMS)}: leak>0.01.",
        )
    if found["attack"] is not None:
        ATTACKS.row(found["attack"])
    most = float(found["most"])
    if most >= 1:
        raise UsageError(
            f"--fail-if {text!r} is never broken: no share is above 1", "For 5% write 0.05."
        )
    return Bound(text, found["harm"], most, found["attack"])


def require_held(
    bounds: Iterable[Bound], attacks: Iterable[AttackFacts], systems: Iterable[str]
) -> None:
    """Raises UsageError for a bound that an audit of these attacks on these systems has nothing to hold against."""
    facts = list(attacks)
    meant = _meant(systems)
    for bound in bounds:
        if not meant or not _attacks_of(bound, facts):
            raise UsageError(
                f"nothing of this audit is held against {bound.text!r}",
                "Run the attacks that it is about (--attacks), on a system besides the base.",
            )


def held_against(
    bounds: Iterable[Bound], attacks: Iterable[AttackFacts], summary: Sequence[AttackRow]
) -> list[BoundRow]:
    """Each bound with the highest worst way that it is about.

    It is about LUMoE where that is audited, else about every system but the base. What needs the weights or
    probabilities counts only where its attack is named: nothing that only suppresses can keep a bound there.
    Without any figure a bound is broken, and so it is where nothing that a system was asked got an answer.
    """
    facts = list(attacks)
    meant = _meant(row.system for row in summary)
    return [_held(bound, _attacks_of(bound, facts), meant, summary) for bound in bounds]


def _held(
    bound: Bound, attacks: Set[str], meant: Set[str], summary: Sequence[AttackRow]
) -> BoundRow:
    rows = [row for row in summary if row.system in meant and row.attack in attacks]
    unmeasured = [row for row in rows if row.worst is None]
    names = list(dict.fromkeys(row.attack for row in unmeasured))
    measured = [row for row in rows if row.worst is not None]
    if not measured:
        return BoundRow(bound=bound.text, figure=None, broken=True, unmeasured=names)
    worst = max(measured, key=lambda row: row.worst or 0.0)
    figure = worst.worst or 0.0
    return BoundRow(
        bound=bound.text,
        system=worst.system,
        attack=worst.attack,
        figure=figure,
        broken=figure > bound.most or any(row.failed for row in unmeasured),
        unmeasured=names,
    )


def _meant(systems: Iterable[str]) -> Set[str]:
    """The systems that bounds are about."""
    audited = set(systems)
    return {"lumoe"} if "lumoe" in audited else audited - {BASE}


def _attacks_of(bound: Bound, attacks: Iterable[AttackFacts]) -> Set[str]:
    """The attacks that a bound is about."""
    found = set()
    for facts in attacks:
        is_meant = (
            facts.access == "asking" if bound.attack is None else facts.attack == bound.attack
        )
        if is_meant and facts.harm == bound.harm:
            found.add(facts.attack)
    return found
