"""Bounds that a release must keep, as `leak>0.01`: which figures they are held against, and whether one is broken."""

import re
from collections.abc import Iterable, Sequence
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
    """`[ATTACK.]leak>0.01`. Raises UsageError for another form, and for an attack or a figure that is not there."""
    found = _FORM.fullmatch(text.strip())
    if found is None or found["harm"] not in HARMS:
        raise UsageError(
            f"--fail-if {text!r} is no bound",
            f"Write FIGURE>SHARE or ATTACK.FIGURE>SHARE, with a FIGURE of {', '.join(HARMS)}: leak>0.01.",
        )
    if found["attack"] is not None:
        ATTACKS.row(found["attack"])
    return Bound(text, found["harm"], float(found["most"]), found["attack"])


def held_against(
    bounds: Iterable[Bound], attacks: Iterable[AttackFacts], summary: Sequence[AttackRow]
) -> list[BoundRow]:
    """Each bound with the highest worst way that it is about.

    It is about LUMoE where that is audited, else about every system but the base. What needs the weights or
    probabilities counts only where its attack is named: nothing that only suppresses can keep a bound there.
    """
    asking = {facts.attack for facts in attacks if facts.access == "asking"}
    audited = {row.system for row in summary}
    meant = {"lumoe"} if "lumoe" in audited else audited - {BASE}
    rows = []
    for bound in bounds:
        named = {bound.attack} if bound.attack is not None else asking
        figures = [
            row
            for row in summary
            if row.system in meant and row.attack in named and row.harm == bound.harm
        ]
        measured = [row for row in figures if row.worst is not None]
        if not measured:
            raise UsageError(
                f"nothing of this audit is held against {bound.text!r}",
                "Run the attacks that it is about (--attacks), on a system besides the base.",
            )
        worst = max(measured, key=lambda row: row.worst or 0.0)
        figure = worst.worst or 0.0
        rows.append(
            BoundRow(
                bound=bound.text,
                system=worst.system,
                attack=worst.attack,
                figure=figure,
                broken=figure > bound.most,
            )
        )
    return rows
