"""Trains the base again without what was forgotten: the same recipe and seed, cached by what made it."""

from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

from mlubench.core.errors import UsageError
from mlubench.core.files import digest
from mlubench.experiment.context import Context
from mlubench.experiment.prepare import load_base
from mlubench.models.real.base import real_base
from mlubench.models.toy.base import toy_base
from mlubench.settings.run import Config
from mlubench.types import Benchmark, Entity, Sample

# Added to the seed of the second oracle.
OTHER_SEED = 1


def oracle_base(
    config: Config, benchmark: Benchmark, done: Sequence[str], *, other_seed: bool = False
) -> Path:
    """The folder of a base that was never taught the forget entities of these tasks, made now unless the cache has it.

    `benchmark` is the whole one that the run's base learned. What the pretrained parts of the real base have read before
    stays in them. Raises UsageError for a model that was not taught here, and for a run that forgets single facts.
    """
    model = config.model
    if model.path is not None:
        raise UsageError(
            "the oracle is a base that is taught again without what was forgotten, and this run's base was not taught here",
            "Give a run of model.kind toy or real, without model.path.",
        )
    if config.benchmark.forget_share < 1:
        raise UsageError(
            "the oracle was never taught whole entities, and this run forgets some facts of each",
            "Give a run with benchmark.forget_share=1.",
        )
    forgotten: list[Entity] = []
    for name in done:
        forgotten += benchmark.task(name).forget_entities
    more = OTHER_SEED if other_seed else 0
    if model.kind == "real":
        real = model.real.model_copy(update={"seed": model.real.seed + more})
        return real_base(real, _without(benchmark, forgotten), device=config.device)
    toy = model.toy.model_copy(update={"seed": model.toy.seed + more})
    return toy_base(toy, benchmark, device=config.device, without=forgotten)


def on_base(ctx: Context, folder: Path) -> Context:
    """The same run on another base, which is a model of its own: the run's keeps what is mounted on it."""
    model = load_base(ctx.config, folder)
    # As the run's own, the base may be another one in its cache.
    model.name = folder.name
    return replace(ctx, mllm=model)


def _without(benchmark: Benchmark, entities: Sequence[Entity]) -> Benchmark:
    """The benchmark without all that it says of these entities."""
    left_out = {entity.key for entity in entities}
    tasks = []
    for task in benchmark:
        forget = _of_others(task.forget, left_out)
        tasks.append(replace(task, forget=forget, retain=_of_others(task.retain, left_out)))
    made_of = digest({"of": benchmark.digest, "without": sorted(left_out)})
    return replace(benchmark, tasks=tuple(tasks), digest=made_of)


def _of_others(samples: Sequence[Sample], left_out: Set[str]) -> tuple[Sample, ...]:
    return tuple(sample for sample in samples if sample.entity.key not in left_out)
