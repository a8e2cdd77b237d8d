"""The statistics of the claims, of the paper's own figures."""

from collections.abc import Mapping

from mlubench.statistics.claims import PublishedRow
from mlubench.statistics.published import GA_ON_LANGUAGE, GA_ON_VISION, MAIN_TABLE
from mlubench.statistics.scores import METRICS
from mlubench.types import Metric

_MAIN = "main table"
_ABLATION = "ablation of modalities"


def published(decay: str, scope: str, stability: str) -> list[PublishedRow]:
    """The statistics of the claims of these names. Image-blind training is not compared in the paper."""
    rows: list[PublishedRow] = []
    for method, tables in MAIN_TABLE.items():
        # LUMoE alone is claimed to stay where it is; the others are claimed to fall.
        stays = method == "lumoe"
        for metric in METRICS:
            if metric in tables:
                fall = tables[metric]["A-UA"] - tables[metric]["A-UD"]
                claim = stability if stays else decay
                rows.append(_row(claim, method, metric, abs(fall) if stays else fall, _MAIN))
    for metric in METRICS:
        difference = _mean(GA_ON_LANGUAGE[metric]) - _mean(GA_ON_VISION[metric])
        rows.append(_row(scope, "ga", metric, difference, _ABLATION))
    return rows


def _row(claim: str, method: str, metric: Metric, value: float, table: str) -> PublishedRow:
    return {
        "claim": claim,
        "method": method,
        "metric": metric,
        "value": round(value, 6),
        "table": table,
    }


def _mean(scores: Mapping[str, float]) -> float:
    return sum(scores.values()) / len(scores)
