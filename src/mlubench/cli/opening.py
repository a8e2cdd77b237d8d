"""How commands open a LUMoE: of a run or a store, wherever its base lies."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mlubench.lumoe.engine.lumoe import LUMoE
    from mlubench.lumoe.engine.opening import EngineSource
    from mlubench.models.mllm import MLLM

# A run, or a plain folder of experts.
PLACE = click.argument("place", metavar="RUN|STORE", type=click.Path(path_type=Path))
BASE_MODEL = click.option(
    "--base-model",
    metavar="FOLDER",
    help="The base that the experts were made for, where RUN or STORE does not say where it lies.",
)


def open_lumoe(place: Path, base_model: str | None) -> "LUMoE":
    """The LUMoE of a run or a store. It loads torch, which takes seconds. Raises as `LUMoE.open` does."""
    from mlubench.lumoe.engine.lumoe import LUMoE
    from mlubench.lumoe.engine.opening import engine_source
    from mlubench.models.quiet import quiet

    quiet()
    source = engine_source(place)
    return LUMoE.open(source, base_model or _base_made_again(place, source))


def _base_made_again(place: Path, source: "EngineSource") -> "MLLM | None":
    """A run's tiny base, trained again where the cache has lost it; None where the source says where the base lies."""
    # A source without replies is a plain store: there is no run to train a base by.
    if source.base is not None or source.replies is None:
        return None
    from mlubench.experiment.prepare import open_base, open_benchmark
    from mlubench.runs.folder import RunDir

    config = RunDir(place).config()
    return open_base(config, open_benchmark(config))
