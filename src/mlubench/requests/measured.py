"""What was measured of an expert, and whether it may answer. No model is asked here."""

from pydantic import Field

from mlubench.requests.settings import Bounds
from mlubench.settings.strict import Strict
from mlubench.statistics.bootstrap import Interval


class Rate(Strict):
    """A share with its 95% interval. None where nothing was measured."""

    value: float | None
    ci95: Interval | None
    n: int

    def told(self) -> str:
        if self.value is None or self.ci95 is None:
            return "not measured"
        low, high = self.ci95
        return f"{self.value:.2f} [{low:.2f}, {high:.2f}] of {self.n}"


class Measured(Strict):
    """What was measured of one request's expert, by the rules judge."""

    forget_quality: Rate = Field(
        description="refusal on held-out pictures, in all phrasings, before the second look"
    )
    unseen_phrasings: Rate = Field(description="of these, those in words that nothing trained on")
    by_name: Rate = Field(description="refusal of questions in words alone that name the entity")
    told_before: Rate = Field(description="correctness of the base's own answers to the same")
    utility: Rate = Field(description="correctness on what must stay")
    utility_before: Rate = Field(description="correctness of the base on the same")
    leak: Rate = Field(
        description="held-out pictures of the entity that reach no expert of its own"
    )
    over_refusal: Rate = Field(description="held-out pictures of what must stay that reach it")
    strangers: Rate = Field(description="pictures of other things that reach it")


def missed_bounds(measured: Measured, bounds: Bounds) -> list[str]:
    """The bounds that are not met, each in words."""
    wrong = []
    quality = measured.forget_quality
    if quality.value is None or quality.value < bounds.forget_quality:
        wrong.append(f"forget quality {quality.told()} is below {bounds.forget_quality}")
    before = measured.utility_before.value or 0.0
    after = measured.utility.value
    if after is not None and before - after > bounds.utility_loss:
        wrong.append(f"utility fell from {before:.2f} to {after:.2f}")
    return wrong + missed_by_gate(measured.leak, measured.over_refusal, measured.strangers, bounds)


def missed_by_gate(leak: Rate, over_refusal: Rate, strangers: Rate, bounds: Bounds) -> list[str]:
    """Those of a gate's bounds that are not met, each in words."""
    wrong = []
    if (leak.value or 0.0) > bounds.leak:
        wrong.append(f"the gate misses {leak.told()} of its pictures")
    for what, rate in (("kept", over_refusal), ("other", strangers)):
        if (rate.value or 0.0) > bounds.over_refusal:
            wrong.append(f"the gate takes {rate.told()} {what} pictures for it")
    return wrong
