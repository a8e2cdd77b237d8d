"""Settings of the judges that ask a model: what it is shown, how hard it is asked, and what that may cost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from mlubench.settings.endpoint import EndpointSettings, ModelPrice, Parallel, Retries, Seconds


class JudgeConfig(EndpointSettings):
    """Settings under `judging`."""

    timeout: Seconds = 20
    retries: Retries = 6
    parallel: Parallel = 8
    # Goes before OPENAI_BASE_URL. The key is OPENAI_API_KEY's alone, so that no run can hold it.
    base_url: str | None = None
    # A YAML file with prompts instead of our own wording.
    template: Path | None = None
    # `hidden` keeps the truth from the judge of correctness, as in the authors' release.
    utility_truth: Literal["shown", "hidden"] = "shown"
    # Sent with each request, for endpoints that can repeat a reply.
    seed: int = 0
    # The longest reply, in tokens.
    max_tokens: int = Field(200, ge=1)
    requests_per_minute: float | None = Field(None, gt=0)
    tokens_per_minute: float | None = Field(None, gt=0)
    # Dollars that one call of the command may cost.
    max_cost: float | None = Field(None, ge=0)
    # By model, where the built-in price is absent or old.
    prices: dict[str, ModelPrice] = {}
    # Answers in one pass of the judge `local`, which asks no endpoint.
    batch: int = Field(8, ge=1)

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
