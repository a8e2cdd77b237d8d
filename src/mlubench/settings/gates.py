"""Settings of the gates: thresholds, aliases, what a failed gate leads to, and the model that a gate asks."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from mlubench.settings.endpoint import EndpointSettings, ModelPrice, Parallel, Retries, Seconds
from mlubench.settings.places import AbsolutePath
from mlubench.settings.strict import Strict

OnError = Literal["refuse", "base"]
OnHit = Literal["experts", "second-look"]
SecondLookMode = Literal["off", "band", "always"]


def _plain_off(value: object) -> object:
    """YAML reads a plain `off` as false."""
    return "off" if value is False else value


class AskedGateConfig(EndpointSettings):
    """Settings under `gates.mllm`: how the gates `mllm` and `self` ask.

    The gate `self` asks the base, not an endpoint; of these it reads `template` and `match` alone.
    """

    timeout: Seconds = 30
    """Seconds that one attempt may take."""
    retries: Retries = 3
    """Attempts after the first, for a request that failed."""
    parallel: Parallel = 4
    """Questions under way at once."""
    model: str = Field("glm-4v-plus", min_length=1)
    """The model's name at the endpoint; the paper asks this one."""
    template: AbsolutePath | None = None
    """A YAML file with `class` and `entity` instead of our own wording."""
    match: float = Field(80, ge=50, le=100)
    """How like a listed name a reply must be, once case and accents are folded: a ratio of 0 to 100."""
    max_side: int = Field(768, ge=32, le=8192)
    """The longer side of a picture that is sent, in pixels."""
    max_tokens: int = Field(64, ge=1)
    """The longest reply, in tokens. A model that thinks before it answers needs some thousands."""
    price_in: float | None = Field(None, ge=0)
    """Dollars per million tokens of prompts. Counts as 0 where only `price_out` is given."""
    price_out: float | None = Field(None, ge=0)
    """Dollars per million tokens of replies. Counts as 0 where only `price_in` is given."""

    def stated_prices(self) -> Mapping[str, ModelPrice]:
        if self.price_in is None and self.price_out is None:
            return {}
        price = ModelPrice(prompt=self.price_in or 0, completion=self.price_out or 0)
        return {self.model: price}


class GateConfig(Strict):
    """Settings under `gates`."""

    max_leak: float = Field(0.01, ge=0, le=0.5)
    """The share of forget pictures that the threshold of a picture gate may leave to the base."""
    strangers: float = Field(0.01, gt=0, lt=0.5)
    """The share of pictures of other things that the picture gate may send to an expert, for any number of requests."""
    views: int = Field(2, ge=0, le=50)
    """Views that are rendered of each picture of a request, and learned from beside it."""
    guises: bool = True
    """Whether requests are learned turned and covered in part too, as somebody may show them who wants to pass the gate."""
    parts: bool = False
    """Whether the picture gate looks at halves and quarters of a picture too, which may show several things."""
    encoder: AbsolutePath | None = None
    """A folder of a vision model that the picture gate looks with. Left out: the base's tower; for drawn pictures, ours."""
    background: AbsolutePath | None = None
    """A folder of pictures of other things, which the picture gate learns from. `world` and `real` have their own."""
    similarity: float = Field(80, ge=50, le=100)
    """How like a name a misspelt one must be, 0 to 100."""
    aliases: dict[str, list[str]] = {}
    """More names by entity key, as `Personage/Jane_Doe`."""
    second_look: Annotated[SecondLookMode, BeforeValidator(_plain_off)] = "band"
    """Which answers are compared with what is forgotten before they leave: none, those about a suspect, or all."""
    band: float = Field(0.1, ge=0, le=1)
    """The share of pictures of other things, or to keep, that a picture gate may hand to the second look as suspect."""
    on_hit: OnHit = "experts"
    """Who answers about a request: its experts, or the base before the second look, which leaves other facts to be told."""
    second_look_hashed: bool = False
    """Whether the words that the second look keeps of forgotten facts and names are hashed."""
    on_error: OnError = "refuse"
    """What becomes of a query whose gate failed: a fixed refusal, or the base's answer."""
    also: tuple[Literal["self", "mllm"], ...] = ()
    """Gates that ask a model, to be reported beside the local ones: each query of theirs costs time or money."""
    mllm: AskedGateConfig = AskedGateConfig()

    @model_validator(mode="after")
    def _somebody_guards(self) -> "GateConfig":
        if self.on_hit == "second-look" and self.second_look == "off":
            raise ValueError(
                "gates.on_hit=second-look needs the second look: leave gates.second_look as it is"
            )
        return self
