"""What a system says and how probable it finds the oracle's words: the distance between two behaviours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from mlubench.audits.attack import About, Ask, Target
from mlubench.audits.reading import log_softmaxes
from mlubench.audits.scores import TokenScores, mean_log_prob
from mlubench.audits.systems.system import READ_AT_ONCE, System
from mlubench.judging.harm import TOLD, HarmJudge
from mlubench.judging.rules.gibberish import gibberish
from mlubench.judging.rules.refusal import refusal
from mlubench.runs.oracles import DistanceRow
from mlubench.statistics.intervals import clustered_mean
from mlubench.types import AnswerRow

RESAMPLES = 1000
Kind = Literal["refusal", "truth", "gibberish", "other"]
# The log-probabilities (A, V) of an answer, and its tokens (A,).
Distribution = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a system makes of some targets, in their order."""

    texts: list[str]
    kinds: list[Kind]
    # How it reads the oracle's answers; None where a fixed sentence is the answer.
    distributions: list[Distribution | None]
    # How it reads the truth and its rivals; empty where nothing can be read.
    readings: list[list[TokenScores]]


def asked(targets: Sequence[Target]) -> list[Ask]:
    """The plain question about each, with the truth and its rivals to read."""
    found = []
    for target in targets:
        candidates = (target.sample.truth, *target.rivals) if target.sample.truth else ()
        found.append(Ask(target.question, ((0, target.picture),), candidates=candidates))
    return found


def behaviour(
    system: System, targets: Sequence[Target], words: Sequence[str] | None, judge: HarmJudge
) -> Behaviour:
    """What the system says, and how it reads `words`, the oracle's answers; its own where None are given."""
    asks = asked(targets)
    texts = [said.text for said in system.answers(asks)]
    kinds = [kind_of(target, text, judge) for target, text in zip(targets, texts, strict=True)]
    distributions: list[Distribution | None] = []
    of_oracle = texts if words is None else words
    for start in range(0, len(asks), READ_AT_ONCE):
        part = slice(start, start + READ_AT_ONCE)
        distributions += system.read(asks[part], of_oracle[part], log_softmaxes)
    return Behaviour(texts, kinds, distributions, system.readings(asks))


def kind_of(target: Target, text: str, judge: HarmJudge) -> Kind:
    if not text.strip() or gibberish(text):
        return "gibberish"
    if target.sample.truth and judge.score(AnswerRow.of(target.sample, text)) >= TOLD:
        return "truth"
    return "refusal" if refusal(text) else "other"


def distance(
    system: str,
    after: str,
    about: About,
    targets: Sequence[Target],
    oracle: Behaviour,
    found: Behaviour,
) -> DistanceRow:
    """How far the system is from the oracle on these targets, of which there must be one."""
    count = len(targets)
    same_text = 0
    same_kind = []
    divergences = []
    for row in range(count):
        same_text += " ".join(found.texts[row].split()) == " ".join(oracle.texts[row].split())
        same_kind.append(float(found.kinds[row] == oracle.kinds[row]))
        divergence = kl(oracle.distributions[row], found.distributions[row])
        if divergence is not None:
            divergences.append(divergence)
    facts = [target.sample.fact for target in targets]
    alike = clustered_mean(same_kind, facts, resamples=RESAMPLES)
    assert alike is not None
    return DistanceRow(
        system=system,
        after=after,
        about=about,
        n=count,
        same_text=round(same_text / count, 6),
        same_kind=alike[0],
        same_kind_ci95=alike[1],
        refusals=_share(found.kinds, "refusal"),
        refusals_of_oracle=_share(oracle.kinds, "refusal"),
        truths=_share(found.kinds, "truth"),
        truths_of_oracle=_share(oracle.kinds, "truth"),
        kl=round(math.fsum(divergences) / len(divergences), 6) if divergences else None,
        kl_n=len(divergences),
        truth_ratio=truth_ratio(found.readings),
        truth_ratio_of_oracle=truth_ratio(oracle.readings),
    )


def kl(oracle: Distribution | None, system: Distribution | None) -> float | None:
    """Mean over tokens of KL(oracle || system), nats. None where one of them has no number."""
    if oracle is None or system is None:
        return None
    expected = oracle[0]
    each = (expected.exp() * (expected - system[0])).sum(1)
    mean = float(each.mean())
    return mean if math.isfinite(mean) else None


def truth_ratio(readings: Sequence[Sequence[TokenScores]]) -> float | None:
    """Mean of log P(another truth) - log P(the truth), each a mean over tokens: above 0 the truth is no favourite."""
    ratios = []
    for candidates in readings:
        if len(candidates) < 2:
            continue
        truth, *rivals = [mean_log_prob(scores) for scores in candidates]
        ratio = math.fsum(rivals) / len(rivals) - truth
        if math.isfinite(ratio):
            ratios.append(ratio)
    return round(math.fsum(ratios) / len(ratios), 6) if ratios else None


def _share(kinds: Sequence[Kind], wanted: Kind) -> float:
    return round(kinds.count(wanted) / len(kinds), 6)
