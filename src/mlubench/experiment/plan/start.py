"""What a run would start from, found without making, loading or downloading anything, and what of it is missing."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import is_whole
from mlubench.data import release, world
from mlubench.data.check_pictures import picture_problem
from mlubench.data.pictures import UnusablePictureError
from mlubench.data.real import benchmark as real
from mlubench.data.release import SPLITS
from mlubench.data.same_pictures import require_distinct
from mlubench.experiment.know import dropped_facts, without
from mlubench.experiment.lengths import require_short_records
from mlubench.experiment.prepare import real_folder, require_pictures, unlearned_part, world_folder
from mlubench.experiment.strangers import require_strangers
from mlubench.judging.llm.checks import require_judge
from mlubench.judging.llm.tools import JudgeTools
from mlubench.lumoe.gates.base import ModelAccess
from mlubench.lumoe.gates.making import make_gate
from mlubench.models.devices import pick_device
from mlubench.models.examination import problems
from mlubench.models.folders import local_folder
from mlubench.models.plugins import register_model_classes
from mlubench.models.processors import load_processor
from mlubench.models.quantised import require_quantizer
from mlubench.models.real.assembly import LANGUAGE, VISION
from mlubench.models.real.fetch import part_named, state_of
from mlubench.models.sizes import Shape, folder_shape, published_shape, real_shape, toy_shape
from mlubench.runs.folder import RunDir
from mlubench.settings.benchmark import BenchmarkConfig, KnowConfig
from mlubench.settings.gates import GateConfig
from mlubench.settings.judging import JudgeConfig
from mlubench.settings.model import ModelConfig
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


def foresee_benchmark(settings: BenchmarkConfig) -> tuple[Benchmark | None, list[Missing]]:
    """All tasks in their official order, or None when the annotations are missing or cannot be used."""
    if settings.kind == "world":
        return _world(settings), []
    if settings.kind == "real":
        return _real(settings), []
    if settings.root is None:
        hint = "Add -s benchmark.root=DIR, the folder with Tasks/."
        return None, [Missing("the annotations are not named", hint)]
    # Pictures that are to be drawn lie nowhere yet.
    images = None if settings.draw else settings.images
    try:
        benchmark = release.read(settings.root, images, seed=settings.seed)
    except MlubenchError as error:
        hint = f"{error.hint} Set it by -s benchmark.root=DIR."
        return None, [Missing(f"no annotations: {error.what}", hint)]
    return benchmark, [] if settings.draw else _missing_pictures(benchmark)


def _world(settings: BenchmarkConfig) -> Benchmark:
    """The cached world, or its annotations alone, which take no drawing."""
    folder = world_folder(settings)
    if is_whole(folder):
        return release.read(folder, seed=settings.seed)
    built = world.build_world(settings.seed, entities=settings.entities, pictures=settings.pictures)
    # Written and read again, so that ids and roles are those that the run will see.
    with TemporaryDirectory() as name:
        release.write(built, Path(name))
        benchmark = release.read(Path(name), seed=settings.seed)
    return replace(benchmark, stand_ins=True)


def _real(settings: BenchmarkConfig) -> Benchmark:
    """The cached real benchmark, or its annotations alone."""
    folder = real_folder(settings)
    if is_whole(folder):
        return release.read(folder, seed=settings.seed)
    with TemporaryDirectory() as name:
        real.write_annotations(Path(name), settings.pictures)
        return release.read(Path(name), seed=settings.seed)


def _missing_pictures(benchmark: Benchmark) -> list[Missing]:
    if not benchmark.image_root.is_dir():
        count = len(release.image_paths(benchmark))
        what = f"the picture folder {benchmark.image_root} does not exist; {count:,} pictures are needed"
        hint = (
            "Give it by -s benchmark.images=DIR, or have stand-ins drawn: -s benchmark.draw=true."
        )
        return [Missing(what, hint)]
    try:
        require_pictures(benchmark)
        require_distinct(benchmark)
    except MlubenchError as error:
        return [Missing.from_error(error)]
    return []


def foresee_tests(benchmark: Benchmark, know: KnowConfig) -> list[Missing]:
    """Each split of which nothing could be tested, whatever the base knows: its facts have too few pictures."""
    missing = []
    for task in benchmark:
        for split in SPLITS:
            samples = task.split(split)
            tested = {s.fact for s in samples if s.tests}
            if know.enabled:
                # What the base knows is asked on pictures that neither train nor test.
                tested &= {s.fact for s in samples if s.calibrates}
            if not tested:
                what = f"no fact of task {task.name}'s {split} set has a picture to test on"
                missing.append(Missing(what, "Give facts three pictures or more."))
    return missing


def foresee_model(
    model: ModelConfig, benchmark: Benchmark | None
) -> tuple[Shape | None, list[Missing]]:
    """The model's shape, from its own config.json where that is here. None for a model that is neither here nor known."""
    shape, missing = _foresee_any(model, benchmark)
    if shape is not None:
        shape = replace(shape, quantization=model.quantization)
    try:
        require_quantizer(model.quantization)
    except MlubenchError as error:
        missing.append(Missing.from_error(error))
    return shape, missing


def _foresee_any(
    model: ModelConfig, benchmark: Benchmark | None
) -> tuple[Shape | None, list[Missing]]:
    try:
        register_model_classes(model.plugins)
    except MlubenchError as error:
        return published_shape(model), [Missing.from_error(error)]
    if model.path is None:
        if model.kind == "real":
            return _foresee_real(model)
        return toy_shape(model.toy, benchmark, model.dtype), []
    folder = local_folder(model.path, model.revision)
    if folder is None:
        return published_shape(model), [_no_model(model.path)]
    try:
        shape = folder_shape(folder, model.dtype)
    except MlubenchError as error:
        return published_shape(model), [Missing.from_error(error)]
    found = problems(model.path, folder, shape.mllm.base)
    return shape, [Missing.from_error(error) for error in found]


def foresee_lengths(config: Config, benchmark: Benchmark, shape: Shape) -> list[Missing]:
    """Whether a record is too long for the model, as far as the model and its processor are here."""
    mllm = shape.mllm
    if mllm.processor is None:
        model = config.model
        folder = local_folder(model.path, model.revision) if model.path is not None else None
        if folder is None:
            return []
        mllm = replace(mllm, processor=load_processor(folder))
    try:
        require_short_records(mllm, benchmark, config)
    except UnusablePictureError as error:
        # What its head tells was said of all pictures at once.
        said = picture_problem(error.path, whole=False) is not None
        return [] if said else [Missing.from_error(error)]
    except MlubenchError as error:
        return [Missing.from_error(error)]
    return []


def _foresee_real(model: ModelConfig) -> tuple[Shape | None, list[Missing]]:
    """The shape of a base of pretrained parts, and which of them are absent."""
    missing = []
    own = {VISION: model.real.vision, LANGUAGE: model.real.language}
    for name, given in own.items():
        part = part_named(name)
        state = state_of(part)
        if given is None and state != "whole":
            what = f"part {name} is {state}"
            missing.append(Missing(what, f"Fetch it: mlubench parts fetch {name}."))
    try:
        return real_shape(model.real, model.dtype), missing
    except MlubenchError as error:
        return None, [*missing, Missing.from_error(error)]


def foresee_device(wish: str) -> list[Missing]:
    """Whether the device is here. The folder of a run with a wrong one would be claimed for nothing."""
    try:
        pick_device(wish)
    except UsageError as error:
        return [Missing.from_error(error)]
    return []


def foresee_gate(name: str, settings: GateConfig) -> list[Missing]:
    """What the gate lacks to ask with: a key, a package, a template. The endpoint itself is not asked."""
    # A run always has a base to ask; here nothing is asked of it.
    access = ModelAccess(settings, ask_base=lambda _: ())
    try:
        make_gate(name, access)
    except UsageError as error:
        return [Missing.from_error(error)]
    return []


def foresee_strangers(settings: BenchmarkConfig) -> list[Missing]:
    """Whether the folder of strangers, where one is named, has usable pictures."""
    try:
        require_strangers(settings)
    except UsageError as error:
        return [Missing.from_error(error)]
    return []


def foresee_judge(name: str, settings: JudgeConfig, device: str) -> list[Missing]:
    """What the judge lacks: a key, a package, a template, a price for its limit, a folder. It is asked nothing."""
    try:
        require_judge(name, JudgeTools(settings, device))
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
    ordered = unlearned_part(benchmark, config.benchmark)
    if not config.know.enabled:
        return ordered, True
    if not run.know.is_file():
        return ordered, False
    return without(ordered, dropped_facts(run)), True
