"""The paper's figures for the claims (arXiv 2606.12809, LLaVA-v1.6-7B); what it does not publish is not here."""

from mlubench.statistics.claims import PublishedRow
from mlubench.statistics.scores import METRICS

# By method: A-UA less A-UD in forget quality and in utility. Of KL's utility nothing is published.
DECAY = {
    "ga": (0.38 - 0.01, 0.12 - 0.01),
    "kl": (0.28 - 0.0, None),
    "npo": (0.42 - 0.005, 0.238 - 0.0),
}
# |A-UA - A-UD|, in forget quality and in utility.
MOVEMENT = {"lumoe": (abs(1.0 - 1.0), abs(0.93 - 0.93))}
# GA's mean of A-UA, B-UB, C-UC and D-UD with language alone less that with vision alone.
_LANGUAGE = ((0.205 + 0.193 + 0.065 + 0.1) / 4, (0.102 + 0.308 + 0.0 + 0.0) / 4)
_VISION = ((0.315 + 0.0 + 0.0 + 0.0) / 4, (0.246 + 0.017 + 0.007 + 0.0) / 4)
SCOPES = {"ga": (_LANGUAGE[0] - _VISION[0], _LANGUAGE[1] - _VISION[1])}


def published(decay: str, scope: str, stability: str) -> list[PublishedRow]:
    """The statistics of the claims of these names. Image-blind training is not compared in the paper."""
    tables = (
        (decay, DECAY, "main table"),
        (stability, MOVEMENT, "main table"),
        (scope, SCOPES, "ablation of modalities"),
    )
    rows: list[PublishedRow] = []
    for claim, figures, table in tables:
        for method, values in figures.items():
            for metric, value in zip(METRICS, values, strict=True):
                if value is not None:
                    row: PublishedRow = {
                        "claim": claim,
                        "method": method,
                        "metric": metric,
                        "value": round(value, 6),
                        "table": table,
                    }
                    rows.append(row)
    return rows
