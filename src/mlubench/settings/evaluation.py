"""Settings of testing: which archives answer which samples, and how the intervals are drawn."""

from typing import Literal

from pydantic import Field

from mlubench.settings.strict import Strict


class EvaluateConfig(Strict):
    """Settings under `evaluate`."""

    tasks: Literal["past", "all"] = "past"
    """`past` tests each archive on the tasks unlearned so far, as published; `all` on every task."""
    batch: int = Field(64, ge=1)
    """Answers that are generated at once."""
    max_new_tokens: int = Field(250, ge=1)
    """The longest answer, in tokens."""
    limit: int | None = Field(None, ge=1)
    """At most so many samples a split, spread over facts."""
    probability: bool = False
    """Also measure how probable each truth is: one more pass an answer."""
    resamples: int = Field(2000, ge=100)
    """Draws of each bootstrap."""
