"""Settings of the gates: thresholds, aliases, what a failed gate leads to, and the model that a gate asks."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

OnError = Literal["refuse", "base"]


class AskedGateConfig(BaseModel):
    """How the gates `mllm` and `self` ask; all but `template` and `match` concern the endpoint alone.

    `model` is its name at the endpoint, `timeout` in seconds, `max_side` in pixels, `match` a ratio of 0 to 100. Prices are
    dollars for a million tokens of prompts and of replies.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field("glm-4v-plus", min_length=1)
    template: Path | None = Field(
        None, description="a YAML file with `class` and `entity` instead of our own wording"
    )
    match: float = Field(
        80, ge=50, le=100, description="how like a listed name a reply must be after folding"
    )
    timeout: float = Field(30, gt=0)
    retries: int = Field(3, ge=0, le=10)
    max_side: int = Field(768, ge=32, le=8192)
    parallel: int = Field(4, ge=1, le=64, description="questions under way at once")
    price_in: float | None = Field(None, ge=0)
    price_out: float | None = Field(None, ge=0)


class GateConfig(BaseModel):
    """`max_leak` is the share of forget pictures that the threshold of a picture gate may leave to the base.

    `also` names gates that ask a model, to be reported beside the local ones: each query of theirs costs time or money.
    `similarity` (0 to 100) is how like a name a misspelt one must be; `aliases` adds names by entity key, as
    `Personage/Jane_Doe`. `on_error` says what becomes of a query whose gate failed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_leak: float = Field(0.01, ge=0, le=0.5)
    similarity: float = Field(80, ge=50, le=100)
    aliases: dict[str, list[str]] = {}
    on_error: OnError = "refuse"
    also: tuple[Literal["self", "mllm"], ...] = ()
    mllm: AskedGateConfig = AskedGateConfig()
