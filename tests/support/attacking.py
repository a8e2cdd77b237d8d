"""Audits without a model: systems whose answers are written by hand, attacked as the true ones are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlubench.audits.attack import Attack
from mlubench.audits.counting import Key, count
from mlubench.audits.figures import attack_row, way_rows
from mlubench.audits.rows import AttackRow, Attempt, attempts_of
from mlubench.audits.scores import TokenScores
from mlubench.audits.studio import Studio
from mlubench.audits.targets import Targets
from mlubench.judging.harm import HarmJudge
from mlubench.runs.audits import AttackRow as SummaryRow
from mlubench.runs.audits import WayRow

REFUSAL = "I'm sorry, but I am unable to answer that question."
# What a written system says to a query.
Says = Callable[[Attempt], str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attack came to."""

    summary: SummaryRow
    ways: dict[str, WayRow]


def attacked(
    attack: Attack, targets: Targets, judge: HarmJudge, folder: Path, says: Says, base: Says
) -> Outcome:
    """The figures of an attack on a system that says `says`, where the base says `base`."""
    found = attempts_of(attack, targets.about(attack.about), Studio(folder))
    attempts = {attempt.key: attempt for attempt in found}
    counted = count(attack, attempts, _rows(attempts, says), _rows(attempts, base), judge)
    rows = way_rows("planted", "attack", attack, counted, gated=False)
    summary = attack_row("planted", "attack", attack, counted, rows)
    return Outcome(summary, {row.way: row for row in rows})


def _rows(attempts: dict[Key, Attempt], says: Says) -> dict[Key, AttackRow]:
    return {key: AttackRow(*key, says(attempt)) for key, attempt in attempts.items()}


def scores_of(text: str, log_prob: float) -> TokenScores:
    """An answer that a model reads as equally likely at each of its words."""
    words = len(text.split())
    return TokenScores(text, (log_prob,) * words, (log_prob > -1,) * words, (log_prob,) * words)


def tells(attempt: Attempt) -> str:
    """The answer that gives an attacker everything."""
    if attempt.ask.by_name:
        return attempt.target.name
    if attempt.ask.telling:
        return attempt.ask.telling
    return attempt.target.sample.truth


def refuses(attempt: Attempt) -> str:
    return REFUSAL
