"""What a run would start from, found without making, loading or downloading anything, and what of it is missing."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import is_whole, read_json
from mlubench.data import release, world
from mlubench.experiment.know import without
from mlubench.experiment.prepare import in_order, require_pictures, world_folder
from mlubench.lumoe.gates.base import ModelAccess
from mlubench.lumoe.gates.making import make_gate
from mlubench.models.folders import absent_weights, local_folder
from mlubench.models.sizes import Shape, folder_shape, published_shape, toy_shape
from mlubench.runs.folder import RunDir
from mlubench.settings.benchmark import BenchmarkConfig
from mlubench.settings.run import Config
from mlubench.types import Benchmark


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that must be there before the run can start, and what to do about it."""

    what: str
    do: str

    @classmethod
    def from_error(cls, error: MlubenchError) -> "Missing":
        return cls(error.what, error.hint)


def foresee_benchmark(config: Config) -> tuple[Benchmark | None, list[Missing]]:
    """All tasks in their official order, or None when the annotations are missing or cannot be used."""
    wanted = config.benchmark
    if wanted.kind == "world":
        return _world(wanted), []
    if wanted.root is None:
        return None, [
            Missing(
                "the annotations are not named",
                "Add -s benchmark.root=DIR, the folder with Tasks/.",
            )
        ]
    try:
        benchmark = release.read(
            wanted.root, None if wanted.draw else wanted.images, seed=wanted.seed
        )
    except MlubenchError as error:
        return None, [
            Missing(
                f"no annotations: {error.what}", f"{error.hint} Set it by -s benchmark.root=DIR."
            )
        ]
    return benchmark, [] if wanted.draw else _pictures(benchmark)


def _world(wanted: BenchmarkConfig) -> Benchmark:
    """The cached world, or its annotations alone, which take no drawing."""
    folder = world_folder(wanted)
    if is_whole(folder):
        return release.read(folder, seed=wanted.seed)
    with TemporaryDirectory() as made:
        release.write(
            world.build_world(wanted.seed, entities=wanted.entities, pictures=wanted.pictures),
            Path(made),
        )
        return replace(release.read(Path(made), seed=wanted.seed), stand_ins=True)


def _pictures(benchmark: Benchmark) -> list[Missing]:
    if not benchmark.image_root.is_dir():
        count = len(release.image_paths(benchmark))
        what = f"the picture folder {benchmark.image_root} does not exist; {count:,} pictures are needed"
        return [
            Missing(
                what,
                "Give it by -s benchmark.images=DIR, or have stand-ins drawn: -s benchmark.draw=true.",
            )
        ]
    try:
        require_pictures(benchmark)
    except MlubenchError as error:
        return [Missing.from_error(error)]
    return []


def foresee_model(
    config: Config, benchmark: Benchmark | None
) -> tuple[Shape | None, list[Missing]]:
    """The model's shape, from its own config.json where that is here. None for a model that is neither here nor known."""
    model = config.model
    if model.path is None:
        return toy_shape(model.toy, benchmark, model.dtype), []
    folder = local_folder(model.path, model.revision)
    if folder is None:
        return published_shape(model), [_no_model(model.path)]
    absent = absent_weights(folder)
    lack = [
        Missing(f"{folder} lacks {len(absent)} file(s) of weights (first: {absent[0]})", "Fetch the model again.")
    ] if absent else []  # fmt: skip
    try:
        return folder_shape(folder, model.dtype), lack
    except MlubenchError as error:
        return published_shape(model), [*lack, Missing.from_error(error)]


def foresee_gate(config: Config) -> list[Missing]:
    """What the gate lacks to ask with: a key, a package, a template. The endpoint itself is not asked."""
    if "lumoe" not in config.methods:
        return []
    try:
        make_gate(config.gate, ModelAccess(config.gates, ask_base=lambda _: ()))
    except UsageError as error:
        return [Missing.from_error(error)]
    return []


def _no_model(path: str) -> Missing:
    if Path(path).is_dir():
        return Missing(
            f"{path} holds no config.json", "Give a Hugging Face folder: -s model.path=FOLDER."
        )
    return Missing(
        f"the weights of {path} are not on this machine",
        "Give their folder by -s model.path=FOLDER; a run would try the Hugging Face Hub.",
    )


def known_part(config: Config, benchmark: Benchmark, run: RunDir) -> tuple[Benchmark, bool]:
    """The tasks in the run's order, and whether the count is exact: the base has been asked what it knows, or need not be.

    Raises UsageError for a task in benchmark.order that is not there.
    """
    ordered = in_order(benchmark, config.benchmark.order)
    if not config.know.enabled:
        return ordered, True
    if not run.know.is_file():
        return ordered, False
    return without(ordered, {row["fact"] for row in read_json(run.know)["dropped"]}), True
