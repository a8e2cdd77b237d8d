"""Where a gate's threshold lies: by a stated risk where there are pictures enough to state one, else between the two."""

import math
import statistics
from collections.abc import Sequence

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
        return math.nextafter(ranked[allowed], -math.inf), risk
    middle, spread = statistics.fmean(ranked), statistics.stdev(ranked)
    if len(other) < 2:
        return middle + spread * statistics.NormalDist().inv_cdf(max(risk, 1e-6)), None
    foreign, width = statistics.fmean(other), statistics.stdev(other)
    between = (middle * width + foreign * spread) / max(width + spread, 1e-12)
    return min(between, middle), None


def _allowed(n: int, risk: float) -> int | None:
    """How many of n may lie below, so that more than `risk` do in truth with a chance of 1 - CONFIDENCE at most."""
    below = 0.0
    for count in range(n if 0 < risk < 1 else 0):
        ways = math.lgamma(n + 1) - math.lgamma(count + 1) - math.lgamma(n - count + 1)
        below += math.exp(ways + count * math.log(risk) + (n - count) * math.log1p(-risk))
        if below > 1 - CONFIDENCE:
            return count - 1 if count else None
    return None
