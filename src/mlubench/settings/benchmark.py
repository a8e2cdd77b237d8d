"""Settings of what is unlearned: which benchmark, which tasks in which order, and which facts the base must know."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from mlubench.settings.places import AbsolutePath
from mlubench.settings.strict import Strict
from mlubench.types import ProtocolName


class BenchmarkConfig(Strict):
    """Settings under `benchmark`."""

    kind: Literal["world", "real", "release"] = "world"
    """`world` is drawn by us; `real` is shipped with real pictures; `release` is a folder in the official layout."""
    seed: int = 0
    """Draws another world or other views, and decides which pictures of a release train, calibrate and test."""
    root: AbsolutePath | None = None
    """Of a release: the folder with Tasks/."""
    images: AbsolutePath | None = None
    """Of a release: the folder of its photographs, where they are not under `root`."""
    draw: bool = False
    """Draw stand-in pictures for a release whose photographs are not at hand."""
    strangers: AbsolutePath | None = None
    """A folder of pictures of other things, in no task: gates are measured on them. `world` and `real` have their own."""
    protocol: ProtocolName = "held-out"
    """`held-out` tests on pictures that nothing learned from; `published` on the records that were learned from."""
    order: list[str] | None = Field(None, min_length=1)
    """The tasks to unlearn, in this order; some may be left out. None is the official order."""
    forget_share: float = Field(1, gt=0, le=1)
    """The share of each forget entity's facts that must go. Below 1 its other facts must stay, and are retain samples."""
    entities: int = Field(44, ge=16, le=400)
    """Of a world: how many entities there are."""
    pictures: int = Field(10, ge=3, le=200)
    """Of a world: how many pictures each entity has. Of `real`: how many views of its own pictures."""

    @model_validator(mode="after")
    def _release_needs_root(self, info: ValidationInfo) -> "BenchmarkConfig":
        # A draft is only looked at (`run --dry-run`, `list presets`), so it may lack what only the user has.
        is_draft = bool(info.context and info.context.get("draft"))
        if self.kind == "release" and self.root is None and not is_draft:
            raise ValueError("benchmark.root is needed for a release: add -s benchmark.root=DIR")
        return self

    @field_validator("order")
    @classmethod
    def _each_task_once(cls, order: list[str] | None) -> list[str] | None:
        if order is not None and len(set(order)) != len(order):
            raise ValueError("names a task twice")
        return order


class KnowConfig(Strict):
    """Settings under `know`: a fact that the base does not know cannot be unlearned, so it is dropped."""

    enabled: bool = True
    """Whether facts that the base does not know are dropped."""
    min_score: float = Field(0.75, ge=0, le=1)
    """The least mean correctness (0-1) on calibration pictures with which a fact stays."""
