"""The field's metrics of a state, each with the direction that counts as better unlearning."""

import math
from collections.abc import Mapping, Sequence

from mlubench.audits.attack import Target
from mlubench.audits.oracle.behaviour import Behaviour, truth_ratio
from mlubench.audits.scores import TokenScores, extraction_strength, mean_log_prob, min_k
from mlubench.judging.rouge import rouge_l
from mlubench.runs.results import CellRow, Results
from mlubench.statistics.scores import METRICS

# Which values count as better in the field.
BETTER: dict[str, str] = {
    "forget quality": "higher",
    "utility": "higher",
    "forget ROUGE-L": "lower",
    "forget accuracy": "lower",
    "truth probability": "lower",
    "truth ratio": "higher",
    "extraction strength": "lower",
    "Min-K%": "lower",
    "exposure": "lower",
}


def metrics_of(
    forgotten: Sequence[Target], found: Behaviour, cells: Sequence[CellRow]
) -> dict[str, float | None]:
    """By name. `found` is the behaviour on the forgotten facts, `cells` are the scores of all tasks so far."""
    texts = zip(forgotten, found.texts, strict=True)
    rouges = [rouge_l(text, target.sample.truth) for target, text in texts]
    truths = [candidates[0] for candidates in found.readings if candidates]
    ranked = [candidates for candidates in found.readings if len(candidates) > 1]
    return {
        "forget quality": _score(cells, METRICS[0]),
        "utility": _score(cells, METRICS[1]),
        "forget ROUGE-L": _mean(rouges),
        "forget accuracy": _mean([float(kind == "truth") for kind in found.kinds]),
        "truth probability": _mean([math.exp(mean_log_prob(scores)) for scores in truths]),
        "truth ratio": truth_ratio(found.readings),
        "extraction strength": _mean([extraction_strength(scores) for scores in truths]),
        "Min-K%": _mean([min_k(scores) for scores in truths]),
        "exposure": _mean([exposure(candidates) for candidates in ranked]),
    }


def exposure(candidates: Sequence[TokenScores]) -> float:
    """log2 of the number of candidates minus log2 of the truth's rank among them (arXiv 1802.08232); bits."""
    truth, *rivals = [mean_log_prob(scores) for scores in candidates]
    rank = 1 + sum(rival >= truth for rival in rivals)
    return math.log2(len(candidates)) - math.log2(rank)


def cells_after(results: Results, judge: str, after: str) -> Mapping[str, list[CellRow]]:
    """The cells of each method and reference at one archive."""
    found: dict[str, list[CellRow]] = {}
    for cell in [*results.cells, *results.references]:
        if cell.after == after and cell.judge == judge:
            found.setdefault(cell.method, []).append(cell)
    return found


def _score(cells: Sequence[CellRow], metric: str) -> float | None:
    scores = [c.score for c in cells if c.metric == metric and c.score is not None]
    return _mean(scores)


def _mean(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return round(math.fsum(finite) / len(finite), 6) if finite else None
