"""The settings of an OpenAI-compatible endpoint that all who ask one share: judges, the gate `mllm`, the builder.

Its address and key come from OPENAI_BASE_URL and OPENAI_API_KEY.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from mlubench.settings.strict import Strict

Seconds = Annotated[float, Field(gt=0)]
Retries = Annotated[int, Field(ge=0, le=20)]
Parallel = Annotated[int, Field(ge=1, le=256)]


class ModelPrice(Strict):
    """Dollars per million tokens."""

    prompt: float = Field(ge=0)
    """Of what is sent."""
    completion: float = Field(ge=0)
    """Of what comes back."""


class EndpointSettings(Strict):
    """How hard an endpoint is asked. Who asks sets the defaults: a judge may wait longer than somebody at a gate."""

    timeout: Seconds
    """Seconds that one attempt may take."""
    retries: Retries
    """Attempts after the first, for a request that failed."""
    parallel: Parallel
    """Questions under way at once."""

    def stated_prices(self) -> Mapping[str, ModelPrice]:
        """The user's own prices by model, whichever keys they were stated by. They go before built-in ones."""
        return {}
