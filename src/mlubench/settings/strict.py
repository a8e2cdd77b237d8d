"""What settings and other small files of ours are: frozen, and an unknown key is an error."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A misspelt key is an error, never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
