"""Settings of LUMoE: how its experts are trained, weighed and kept."""

from typing import Annotated

from pydantic import Field, field_validator

from mlubench.core.errors import unknown_name
from mlubench.settings.strict import Strict
from mlubench.unlearning.table import LOSSES

# A weight of 0 would leave an expert out without a word.
Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Experts = Annotated[int, Field(ge=1)]
Megabytes = Annotated[str, Field(pattern=r"^[1-9]\d*MB$")]


class LumoeConfig(Strict):
    """Settings under `lumoe`."""

    expert: str = "po"
    """The method that trains each expert on the untouched base."""
    retries: int = Field(0, ge=0, le=10)
    """How often an expert that refuses too little is trained again, from where it is and for as long as the first time."""
    refuses: float = Field(0.95, gt=0, le=1)
    """How well (0-1) an expert must refuse what its calibration pictures ask, so that it is not trained again."""
    weights: dict[str, Weight] = {}
    """Factors on experts by task where a query hits several; 1 for those not named: `-s lumoe.weights.A=0.5`."""
    resident: Experts | Megabytes | None = None
    """How many experts stay in memory, or how much of it they take ("512MB"). Others wait on disk. None keeps all."""

    @field_validator("expert")
    @classmethod
    def _is_a_loss(cls, expert: str) -> str:
        if expert not in LOSSES:
            raise ValueError(str(unknown_name("method in lumoe.expert", expert, LOSSES)))
        return expert
