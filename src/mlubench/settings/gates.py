"""Settings of the gates: thresholds, aliases, what a failed gate leads to, and the model that a gate asks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from mlubench.settings.endpoint import EndpointSettings, ModelPrice, Parallel, Retries, Seconds
from mlubench.settings.strict import Strict

OnError = Literal["refuse", "base"]


class AskedGateConfig(EndpointSettings):
    """Settings under `gates.mllm`: how the gates `mllm` and `self` ask.

    The gate `self` asks the base, not an endpoint; of these it reads `template` and `match` alone.
    """

    timeout: Seconds = 30
    retries: Retries = 3
    parallel: Parallel = 4
    # The model's name at the endpoint; the paper asks this one.
    model: str = Field("glm-4v-plus", min_length=1)
    # A YAML file with `class` and `entity` instead of our own wording.
    template: Path | None = None
    # How like a listed name a reply must be, once case and accents are folded: a ratio of 0 to 100.
    match: float = Field(80, ge=50, le=100)
    # The longer side of a picture that is sent, in pixels.
    max_side: int = Field(768, ge=32, le=8192)
    # Dollars per million tokens of prompts and of replies; one that is left out counts as 0 beside the other.
    price_in: float | None = Field(None, ge=0)
    price_out: float | None = Field(None, ge=0)

    def stated_prices(self) -> Mapping[str, ModelPrice]:
        if self.price_in is None and self.price_out is None:
            return {}
        price = ModelPrice(prompt=self.price_in or 0, completion=self.price_out or 0)
        return {self.model: price}


class GateConfig(Strict):
    """Settings under `gates`."""

    # The share of forget pictures that the threshold of a picture gate may leave to the base.
    max_leak: float = Field(0.01, ge=0, le=0.5)
    # How like a name a misspelt one must be, 0 to 100.
    similarity: float = Field(80, ge=50, le=100)
    # More names by entity key, as `Personage/Jane_Doe`.
    aliases: dict[str, list[str]] = {}
    # What becomes of a query whose gate failed: a fixed refusal, or the base's answer.
    on_error: OnError = "refuse"
    # Gates that ask a model, to be reported beside the local ones: each query of theirs costs time or money.
    also: tuple[Literal["self", "mllm"], ...] = ()
    # The model that they ask.
    mllm: AskedGateConfig = AskedGateConfig()
