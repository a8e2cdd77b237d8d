"""Trains the base again without what was forgotten: the same recipe and seed, cached by what made it."""

from collections.abc import Sequence
from pathlib import Path

from mlubench.core.errors import UsageError
from mlubench.models.toy.base import toy_base
from mlubench.settings.run import Config
from mlubench.types import Benchmark, Entity

# Added to the seed of the second oracle.
OTHER_SEED = 1


def oracle_base(
    config: Config, benchmark: Benchmark, done: Sequence[str], *, other_seed: bool = False
) -> Path:
    """The folder of a base that never saw the forget entities of these tasks, trained now unless the cache has it.

    `benchmark` is the whole one that the run's base learned. Raises UsageError for a base that is not trained here
    from scratch: what a pretrained model has read cannot be taken out of it.
    """
    model = config.model
    if model.path is not None or model.kind != "toy":
        raise UsageError(
            "the oracle is a base that is trained again from nothing, and this run's base was pretrained",
            "Give a run of the tiny LLaVA (model.kind toy, without model.path).",
        )
    forgotten: list[Entity] = []
    for name in done:
        forgotten += benchmark.task(name).forget_entities
    settings = model.toy
    if other_seed:
        settings = settings.model_copy(update={"seed": settings.seed + OTHER_SEED})
    return toy_base(settings, benchmark, device=config.device, without=forgotten)
