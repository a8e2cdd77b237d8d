"""What all rows of results.json have in common: how they are written, and what is a number and an interval."""

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _finite(value: Any) -> Any:
    """NaN and infinities are no scores; they become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _whole_interval(value: Any) -> Any:
    """An interval with a missing end is no interval."""
    if isinstance(value, list | tuple) and any(_finite(end) is None for end in value):
        return None
    return value


# `int` is named so that a whole number is written as it was given.
Number = Annotated[int | float | None, BeforeValidator(_finite)]
Interval = Annotated[tuple[float, float] | None, BeforeValidator(_whole_interval)]  # 95%


class Row(BaseModel):
    """Fields stand in the order in which they are written. Defaults are for files of partial and of older runs."""

    model_config = ConfigDict(extra="allow", frozen=True)

    def as_json(self) -> dict[str, Any]:
        """What is written: the keys that were given, and those that this version does not know."""
        return self.model_dump(mode="json", exclude_unset=True)
