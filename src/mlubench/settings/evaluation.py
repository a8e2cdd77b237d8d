"""Settings of testing: which archives answer which samples, and how the intervals are drawn."""

from typing import Literal

from pydantic import Field

from mlubench.settings.strict import Strict


class EvaluateConfig(Strict):
    """Settings under `evaluate`."""

    # `past` tests each archive on the tasks unlearned so far, as published; `all` on every task.
    tasks: Literal["past", "all"] = "past"
    # Answers that are generated at once.
    batch: int = Field(64, ge=1)
    # The longest answer, in tokens.
    max_new_tokens: int = Field(250, ge=1)
    # At most so many samples a split, spread over facts.
    limit: int | None = Field(None, ge=1)
    # Also measure how probable each truth is: one more pass an answer.
    probability: bool = False
    # Draws of each bootstrap.
    resamples: int = Field(2000, ge=100)
