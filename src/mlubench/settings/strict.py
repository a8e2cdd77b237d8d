"""What settings and other small files of ours are: frozen, and an unknown key is an error."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A misspelt key is an error, never silently ignored.

    The text under a field is its description, which `mlubench list settings` shows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
