"""What every group of settings is: frozen, and an unknown key is an error."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A misspelt setting is an error, never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
