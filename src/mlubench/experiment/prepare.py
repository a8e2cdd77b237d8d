"""What a run starts from: the benchmark, drawn or read, and the base model, trained or loaded."""

from dataclasses import replace
from pathlib import Path

from mlubench.core.cache import cache_root, made_once
from mlubench.core.errors import UsageError, unknown_name
from mlubench.core.files import digest, whole_dir
from mlubench.core.progress import progress_bar
from mlubench.data import release, world
from mlubench.data.check_pictures import broken_pictures
from mlubench.data.partial import partly_forgotten
from mlubench.data.pictures import MISSING
from mlubench.data.real import benchmark as real
from mlubench.data.render import RENDERER_VERSION, render_release
from mlubench.data.same_pictures import require_distinct
from mlubench.models.bases import make_base
from mlubench.models.examination import require_trainable
from mlubench.models.mllm import MLLM
from mlubench.models.plugins import register_model_classes
from mlubench.settings.benchmark import BenchmarkConfig
from mlubench.settings.run import Config
from mlubench.types import Benchmark


def open_benchmark(config: Config) -> Benchmark:
    """All tasks of the world, the real benchmark or the release, in their official order."""
    settings = config.benchmark
    if settings.kind == "world":
        benchmark = release.read(_world(settings), seed=settings.seed)
    elif settings.kind == "real":
        benchmark = release.read(_real_benchmark(settings), seed=settings.seed)
        benchmark = replace(benchmark, background="real")
    else:
        # A configuration that is no draft has it: `BenchmarkConfig` refuses one without.
        assert settings.root is not None
        images = _stand_ins(settings.root) if settings.draw else settings.images
        benchmark = release.read(settings.root, images, seed=settings.seed)
        require_pictures(benchmark)
        require_distinct(benchmark)
    return benchmark


def world_folder(settings: BenchmarkConfig) -> Path:
    """Where the world is kept, or will be: named by the hash of all that makes it."""
    made_of = {
        "seed": settings.seed,
        "entities": settings.entities,
        "pictures": settings.pictures,
        "render": RENDERER_VERSION,
        "recipe": world.WORLD_VERSION,
    }
    return cache_root() / "worlds" / digest(made_of)


def real_folder(settings: BenchmarkConfig) -> Path:
    """Where the real benchmark is kept, or will be: named by the hash of all that makes it."""
    made_of = real.real_facts(settings.seed, settings.pictures)
    return cache_root() / "real" / digest(made_of)


def _world(settings: BenchmarkConfig) -> Path:
    """The cached folder of the world, drawn now unless it is there."""
    folder = world_folder(settings)

    def make() -> None:
        world.write_world(
            settings.seed, folder, entities=settings.entities, pictures=settings.pictures
        )

    return made_once(folder, make)


def _real_benchmark(settings: BenchmarkConfig) -> Path:
    """The cached folder of the real benchmark, written now unless it is there."""
    folder = real_folder(settings)

    def make() -> None:
        with progress_bar() as bar:
            task = bar.add_task("drawing views of real pictures", total=None)
            real.write_real(
                settings.seed,
                folder,
                views=settings.pictures,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )

    return made_once(folder, make)


def unlearned_part(benchmark: Benchmark, settings: BenchmarkConfig) -> Benchmark:
    """What a run unlearns of the benchmark that its base was taught: tasks in their order, facts in their splits.

    Raises UsageError for a task that is not there.
    """
    ordered = _in_order(benchmark, settings.order)
    return partly_forgotten(ordered, settings.forget_share, seed=settings.seed)


def _in_order(benchmark: Benchmark, order: list[str] | None) -> Benchmark:
    if order is None:
        return benchmark
    names = [t.name for t in benchmark]
    for name in order:
        if name not in names:
            raise unknown_name("task in benchmark.order", name, names)
    return replace(benchmark, tasks=tuple(benchmark.task(n) for n in order))


def _stand_ins(root: Path) -> Path:
    """The cached folder of stand-in pictures for every path of a release, drawn now unless it is there."""
    paths = release.image_paths(release.read(root))
    folder = cache_root() / "stand-ins" / digest({"paths": paths, "render": RENDERER_VERSION})

    def make() -> None:
        with whole_dir(folder, {"render": RENDERER_VERSION}) as out, progress_bar() as bar:
            task = bar.add_task("drawing stand-in pictures", total=len(paths))
            render_release(
                paths, out, progress=lambda done, total: bar.update(task, completed=done)
            )

    return made_once(folder, make)


def require_pictures(benchmark: Benchmark) -> None:
    """Raises UsageError that counts the pictures of the benchmark that are not there, or cannot be used.

    Only the head of each is read, which tells what is no picture, too large or too thin.
    """
    broken = broken_pictures(benchmark.image_root, release.image_paths(benchmark), whole=False)
    missing = [image for image, problem in broken if problem == MISSING.what]
    if missing:
        raise UsageError(
            f"{len(missing):,} pictures are not under {benchmark.image_root} (first: {missing[0]})",
            "Give their folder with -s benchmark.images=DIR, or have stand-ins drawn: -s benchmark.draw=true.",
        )
    if broken:
        image, problem = broken[0]
        raise UsageError(
            f"{len(broken):,} pictures under {benchmark.image_root} cannot be used (first: {image} {problem})",
            "Replace them; `mlubench data check` names them all.",
        )


def open_base(config: Config, benchmark: Benchmark) -> MLLM:
    """The untouched base. The tiny LLaVA learns all tasks of the benchmark, whatever the order or subset of the run."""
    model = config.model
    register_model_classes(model.plugins)
    return load_base(config, model.path or make_base(model, benchmark, device=config.device))


def load_base(config: Config, path: str | Path) -> MLLM:
    """The untouched base from its folder or id, named as manifests of experts name it."""
    model = config.model
    register_model_classes(model.plugins)
    mllm = MLLM.load(
        path,
        revision=model.revision,
        dtype=model.dtype,
        device=config.device,
        quantization=model.quantization,
    )
    # Manifests of experts spell the base so. A tiny base is known by the hash in its folder's name, wherever the cache is.
    mllm.name = model.path or Path(path).name
    # A model that can only be asked would come to light after all of its answers.
    require_trainable(path, mllm.processor, mllm.base)
    return mllm
