"""What probabilities tell of a forgotten fact, though no answer does: whether the truth is likelier than other truths."""

from collections.abc import Callable, Sequence

from mlubench.audits.attack import AMONG_RIVALS, Ask, Attack, Target, Way, among_rivals
from mlubench.audits.scores import (
    TokenScores,
    extraction_strength,
    is_first,
    mean_log_prob,
    min_k,
    min_k_plus_plus,
    zlib_ratio,
)
from mlubench.audits.studio import Studio


def _alone(target: Target, studio: Studio) -> Sequence[Ask]:
    candidates = (target.sample.truth,)
    return [Ask(target.question, ((0, target.picture),), candidates=candidates)]


def _truth_is_first(
    measure: Callable[[TokenScores], float],
) -> Callable[[Sequence[TokenScores]], float]:
    def first(candidates: Sequence[TokenScores]) -> float:
        return float(is_first([measure(scores) for scores in candidates]))

    return first


def _extracted(candidates: Sequence[TokenScores]) -> float:
    return extraction_strength(candidates[0])


def _ranked(name: str, measure: Callable[[TokenScores], float]) -> Way:
    return Way(name, among_rivals, chance=AMONG_RIVALS, measure=_truth_is_first(measure))


ATTACK = Attack(
    meaning="how often the truth is the likeliest of four, above chance; and the share of a truth that follows by itself",
    ways=(
        _ranked("loss", mean_log_prob),
        _ranked("Min-K%", min_k),
        _ranked("Min-K%++", min_k_plus_plus),
        _ranked("zlib", zlib_ratio),
        Way("extraction strength", _alone, measure=_extracted),
    ),
    access="scores",
)
