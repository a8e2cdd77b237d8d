"""The bases that are made here: made when they are first needed, and found again by their name in the cache."""

from inspect import signature
from pathlib import Path

from mlubench.core.cache import cache_root
from mlubench.core.files import NotMadeError, is_whole
from mlubench.models.table import MODELS
from mlubench.settings.model import ModelConfig
from mlubench.types import Benchmark


def make_base(model: ModelConfig, benchmark: Benchmark, *, device: str = "auto") -> Path:
    """The folder of the base of `model.kind` that knows the benchmark, made now unless the cache has it."""
    make = MODELS.resolve(model.kind)
    folder: Path = make(getattr(model, model.kind), benchmark, device=device)
    return folder


def find_base(model: ModelConfig, benchmark: Benchmark) -> Path:
    """The folder of the base of `model.kind` that the cache has. Raises NotMadeError where it would have to be made."""
    make = MODELS.resolve(model.kind)
    if "cached_only" not in signature(make).parameters:
        raise NotMadeError(f"a base of kind {model.kind} cannot be looked for without making it")
    folder: Path = make(getattr(model, model.kind), benchmark, cached_only=True)
    return folder


def cached_base(name: str) -> Path | None:
    """The folder of the base of that name, as it was made; None where the cache has none."""
    folder = cache_root() / "models" / name
    kind = name.partition("-")[0]
    if kind in MODELS and folder.name == name and is_whole(folder):
        return folder
    return None
