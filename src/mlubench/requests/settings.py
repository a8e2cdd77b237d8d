"""Settings of a store's requests: where what must stay is from, and the bounds that an expert must meet."""

from pydantic import Field

from mlubench.settings.places import AbsolutePath
from mlubench.settings.strict import Strict
from mlubench.types import Background

FILE = "settings.yaml"


class Bounds(Strict):
    """What is measured on held-out pictures and phrasings must be as good as this, or the expert stays inactive."""

    forget_quality: float = Field(0.8, ge=0, le=1)
    """The least judged quality of refusal on what must go."""
    utility_loss: float = Field(0.05, ge=0, le=1)
    """How much less correct than the base's the answers on what must stay may be."""
    leak: float = Field(0.1, ge=0, le=1)
    """The share of the request's own pictures that may slip past the gate."""
    over_refusal: float = Field(0.05, ge=0, le=1)
    """The share of other pictures that the request may draw to itself."""


class RequestSettings(Strict):
    """The content of settings.yaml beside a store's requests."""

    kept: AbsolutePath | None = None
    """A benchmark in the official layout whose retain sets must stay. Left out: the run's own."""
    background: Background | None = None
    """Where pictures of other things are from, for a store that no run is around: `drawn`, `real` or none."""
    fewest_pictures: int = Field(4, ge=3)
    """Different pictures that a request must come with."""
    look_alikes: int = Field(6, ge=1)
    """Entities of the same class that are kept beside each request, at most."""
    measured: int = Field(80, ge=1)
    """Questions of each kind that an expert is measured on, at most."""
    ledger: str | None = None
    """The ledger's database as a file or a URL of PostgreSQL. Left out: a file of SQLite beside this one."""
    keys: AbsolutePath | None = None
    """The ledger's key file. It must be named for PostgreSQL."""
    days: int = Field(30, ge=1)
    """Until a request is due."""
    ended_days: int | None = Field(30, ge=0)
    """Until what was sent, and the names, of a request that has ended are deleted. null: only by hand."""
    bounds: Bounds = Bounds()
