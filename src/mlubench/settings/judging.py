"""Settings of the judges that ask a model: what it is shown, how hard it is asked, and what that may cost."""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator


class PriceConfig(BaseModel):
    """Dollars per million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)


class JudgeConfig(BaseModel):
    """`base_url` goes before OPENAI_BASE_URL; the key is OPENAI_API_KEY's alone, so that no run can hold it.

    `utility_truth: hidden` keeps the truth from the judge of correctness, as in the authors' release. `timeout` in seconds
    is of one attempt, `max_cost` in dollars of one call of the command. `batch` is of the judge `local`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str | None = None
    template: Path | None = Field(
        None, description="a YAML file with prompts instead of our own wording"
    )
    utility_truth: Literal["shown", "hidden"] = "shown"
    seed: int = 0
    max_tokens: int = Field(200, ge=1)
    timeout: float = Field(20, gt=0)
    retries: int = Field(6, ge=0, le=20)
    parallel: int = Field(8, ge=1, le=256, description="questions under way at once")
    requests_per_minute: float | None = Field(None, gt=0)
    tokens_per_minute: float | None = Field(None, gt=0)
    max_cost: float | None = Field(None, ge=0)
    prices: dict[str, PriceConfig] = Field(
        {}, description="by model, where the built-in price is absent or old"
    )
    batch: int = Field(8, ge=1)

    @field_validator("base_url")
    @classmethod
    def _holds_no_secret(cls, address: str | None) -> str | None:
        if address is not None:
            parts = urlsplit(address)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("is no http or https address")
            if parts.username or parts.password or parts.query:
                raise ValueError(
                    "holds a name, password or query, which a run would keep: set OPENAI_API_KEY instead"
                )
        return address
