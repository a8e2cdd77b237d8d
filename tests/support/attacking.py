"""Audits without a model: systems whose answers are written by hand, attacked as the true ones are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlubench.audits.asking import attempts_by_attack
from mlubench.audits.attack import Attack
from mlubench.audits.counting import Key
from mlubench.audits.findings import Findings
from mlubench.audits.rows import AttackRow, Attempt
from mlubench.audits.scores import TokenScores
from mlubench.audits.studio import Studio
from mlubench.audits.targets import Targets
from mlubench.judging.harm import HarmJudge
from mlubench.runs.audits import AttackRow as SummaryRow
from mlubench.runs.audits import ToldRow, WayRow
from mlubench.runs.folder import BASE

REFUSAL = "I'm sorry, but I am unable to answer that question."
PLANTED = "planted"
# What a written system says to a query.
Says = Callable[[Attempt], str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attack came to."""

    summary: SummaryRow
    ways: dict[str, WayRow]
    told: list[ToldRow]


def attacked(
    attack: Attack, targets: Targets, judge: HarmJudge, folder: Path, says: Says, base: Says
) -> Outcome:
    """The figures of an attack on a system that says `says`, where the base says `base`."""
    attacks = {"attack": attack}
    attempts = attempts_by_attack(attacks, targets, Studio(folder))
    findings = Findings(attacks, attempts, targets, judge)
    findings.add(BASE, {"attack": _rows(attempts["attack"], base)})
    findings.add(PLANTED, {"attack": _rows(attempts["attack"], says)})
    (summary,) = [row for row in findings.summary if row.system == PLANTED]
    ways = {row.way: row for row in findings.ways if row.system == PLANTED}
    return Outcome(summary, ways, findings.told)


def _rows(attempts: Mapping[Key, Attempt], says: Says) -> dict[Key, AttackRow]:
    return {key: AttackRow(*key, says(attempt)) for key, attempt in attempts.items()}


def scores_of(text: str, log_prob: float) -> TokenScores:
    """An answer that a model reads as equally likely at each of its words."""
    words = len(text.split())
    return TokenScores(text, (log_prob,) * words, (log_prob > -1,) * words, (log_prob,) * words)


def tells(attempt: Attempt) -> str:
    """The answer that gives an attacker everything."""
    if attempt.ask.by_name:
        return attempt.target.name
    if attempt.ask.right_choice:
        return attempt.ask.right_choice
    return attempt.target.sample.truth


def refuses(attempt: Attempt) -> str:
    return REFUSAL
