"""Where a gate's threshold lies: by a stated risk where there are pictures enough to state one, else between the two."""

import math
import statistics
from collections.abc import Sequence

from torch import Tensor

CONFIDENCE = 0.9  # that the share of leaks is no more than was stated


def threshold_of(
    own: Sequence[float], other: Sequence[float], risk: float
) -> tuple[float, float | None]:
    """The threshold, and the share of `own` below it that it states with `CONFIDENCE`; None where it states none.

    `own` are scores of what must pass (two or more), `other` of what must not; all were measured by a gate that had not
    seen them. Enough are 230 for 1%: then so many of `own` lie below the threshold as the binomial distribution allows (a
    tolerance limit, the conformal rule with confidence; Wilks 1941; Vovk 2012). With fewer it lies as many standard
    deviations below the mean of `own` as above that of `other`, or at the normal distribution's quantile without others.
    """
    ranked = sorted(own)
    allowed = _allowed(len(ranked), risk)
    if allowed is not None:
        # Just below it, since a score must be above the threshold to pass.
        return math.nextafter(ranked[allowed], -math.inf), risk
    own_mean = statistics.fmean(ranked)
    own_deviation = statistics.stdev(ranked)
    if len(other) < 2:
        # A risk of 0 has no quantile.
        return own_mean + own_deviation * statistics.NormalDist().inv_cdf(max(risk, 1e-6)), None
    other_mean = statistics.fmean(other)
    other_deviation = statistics.stdev(other)
    deviations = max(other_deviation + own_deviation, 1e-12)
    between = (own_mean * other_deviation + other_mean * own_deviation) / deviations
    return min(between, own_mean), None


def _allowed(n: int, risk: float) -> int | None:
    """How many of n may lie below, so that more than `risk` do in truth with a chance of 1 - CONFIDENCE at most."""
    if not 0 < risk < 1:
        return None
    from scipy.special import bdtr  # takes 0.2 s to import

    for count in range(n):
        # The chance that at most `count` lie below where a share of `risk` does in truth.
        chance = bdtr(count, n, risk)
        if chance > 1 - CONFIDENCE:
            return count - 1 if count else None
    return None


def conformal_threshold(scores: Tensor, share: float) -> float:
    """The score above which a new stranger scores with a chance of `share` at most, by the scores (N,) of others.

    Split conformal prediction: the ceil((N + 1)(1 - share))-th smallest, or the largest where N is too small for that.
    """
    rank = math.ceil((len(scores) + 1) * (1 - share))
    return float(scores.sort().values[min(rank, len(scores)) - 1])
