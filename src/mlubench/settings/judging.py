"""Settings of the judges that ask a model: what it is shown, how hard it is asked, and what that may cost."""

from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from mlubench.settings.endpoint import EndpointSettings, ModelPrice, Parallel, Retries, Seconds
from mlubench.settings.places import AbsolutePath


class JudgeConfig(EndpointSettings):
    """Settings under `judging`."""

    timeout: Seconds = 20
    """Seconds that one attempt may take."""
    retries: Retries = 6
    """Attempts after the first, for a request that failed."""
    parallel: Parallel = 8
    """Questions under way at once."""
    base_url: str | None = None
    """Goes before OPENAI_BASE_URL. The key is OPENAI_API_KEY's alone, so that no run can hold it."""
    template: AbsolutePath | None = None
    """A YAML file with prompts instead of our own wording."""
    utility_truth: Literal["shown", "hidden"] = "shown"
    """`hidden` keeps the truth from the judge of correctness, as in the authors' release."""
    seed: int = 0
    """Sent with each request, for endpoints that can repeat a reply."""
    max_tokens: int = Field(200, ge=1)
    """The longest reply, in tokens. A model that thinks before it answers needs some thousands."""
    requests_per_minute: float | None = Field(None, gt=0)
    """At most so many requests a minute."""
    tokens_per_minute: float | None = Field(None, gt=0)
    """At most so many tokens a minute, of prompts and replies."""
    max_cost: float | None = Field(None, ge=0)
    """Dollars that one call of the command may cost."""
    prices: dict[str, ModelPrice] = {}
    """By model, where the built-in price is absent or old."""
    batch: int = Field(8, ge=1)
    """Answers in one pass of the judge `local`, which asks no endpoint."""

    def stated_prices(self) -> Mapping[str, ModelPrice]:
        return self.prices

    @field_validator("base_url")
    @classmethod
    def _holds_no_secret(cls, address: str | None) -> str | None:
        """The address is written to RUN/config.yaml, which people share."""
        if address is None:
            return None
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is no http or https address")
        if parts.username or parts.password or parts.query:
            raise ValueError(
                "holds a name, password or query, which a run would keep: set OPENAI_API_KEY instead"
            )
        return address
