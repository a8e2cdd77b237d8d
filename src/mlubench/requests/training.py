"""Trains the expert of one or several requests by the trainer of runs, into the store. It answers nobody yet."""

from collections.abc import Sequence

from mlubench.core.files import is_whole, whole_dir
from mlubench.experiment.context import Context
from mlubench.experiment.refusing import train_until_it_refuses
from mlubench.lumoe.experts.manifest import WEIGHTS, modules_of, tensors_in
from mlubench.models.adapters import add_adapter, remove_adapters, save_adapter
from mlubench.models.mllm import MLLM
from mlubench.requests.place import Place
from mlubench.runs.folder import RunDir
from mlubench.runs.manifest import ManifestFacts
from mlubench.types import Benchmark
from mlubench.unlearning.schedule import step_seed

# The method by which seeds and settings go, as in a run.
_METHOD = "lumoe"


def train_expert(
    place: Place, expert: str, benchmark: Benchmark, mllm: MLLM, requests: Sequence[str]
) -> None:
    """Train the expert on the one task of the benchmark, unless the store has it.

    A training that was cut off begins again, with the same seeds. Raises as `unlearning.trainer.unlearn` does.
    """
    folder = place.store.folder(expert, 1)
    if is_whole(folder):
        return
    config = place.config
    settings = config.train.for_method(_METHOD)
    (task,) = benchmark.tasks
    seed = step_seed(config.seed, _METHOD, expert, "init")
    remove_adapters(mllm)
    try:
        add_adapter(mllm, expert, settings.lora, settings.scope, seed=seed, full=settings.full)
        context = Context(config, benchmark, mllm, RunDir(place.root))
        facts = train_until_it_refuses(context, _METHOD, task, settings)

        def manifest() -> ManifestFacts:
            # Asked for at the end: the modules are read from the weights that were written.
            return {
                **facts,
                "requests": list(requests),
                "modules": modules_of(tensors_in(out / WEIGHTS)),
            }

        with whole_dir(folder, manifest) as out:
            save_adapter(mllm, expert, out)
    finally:
        remove_adapters(mllm)
