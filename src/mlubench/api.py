"""What scripts and notebooks call: the functions of `import mlubench`. They are stable, unlike the rooms below."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml

from mlubench.core.console import plain_console
from mlubench.experiment.prepare import open_base, open_benchmark, unlearned_part
from mlubench.experiment.sequence import run_lifelong
from mlubench.judging.table import JUDGES
from mlubench.lumoe.gates.base import Gate
from mlubench.lumoe.gates.table import GATES
from mlubench.models.mllm import MLLM
from mlubench.models.plugins import register_model_classes
from mlubench.models.quiet import quiet
from mlubench.report.html import write_report
from mlubench.runs.opening import Run, open_run
from mlubench.settings.loading import load, preset_names
from mlubench.settings.model import Quantization
from mlubench.types import Benchmark, Judge
from mlubench.unlearning.methods.base import Method
from mlubench.unlearning.table import LOSSES

__all__ = [
    "load_benchmark",
    "load_mllm",
    "open_run",
    "register_gate",
    "register_judge",
    "register_method",
    "run",
]

# By `key.path`, as on the command line: {"benchmark.seed": 3}.
Settings = Mapping[str, object]


def load_benchmark(preset: str = "toy", settings: Settings | None = None) -> Benchmark:
    """The benchmark of a preset or of a YAML file of settings, its tasks in the order of the run.

    The photographs of a release are named by settings: `{"benchmark.root": DIR, "benchmark.images": PHOTOS}`.
    Raises UsageError for a wrong setting or a picture that is not there, DataError for annotations that cannot be used.
    """
    config = load(preset, _overrides(settings))
    return unlearned_part(open_benchmark(config), config.benchmark)


def load_mllm(
    model: Path | str = "toy",
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    quantization: Quantization = "none",
    plugins: Sequence[str] = (),
) -> MLLM:
    """A model in a Hugging Face folder or under a hub's id, or the base of a preset.

    The tiny base of a preset such as `toy` is trained and cached unless the cache has it. Only safetensors are read, and
    code that comes with a model is never run. `quantization` and `plugins` are as `model.quantization` and `model.plugins`.
    Raises MlubenchError for a model that cannot be loaded, UsageError for a device that torch cannot use.
    """
    if str(model) in preset_names() and not Path(model).is_dir():
        settings = [f"device={device}", f"model.dtype={dtype}"]
        config = load(str(model), [*settings, f"model.quantization={quantization}"])
        return open_base(config, open_benchmark(config))
    register_model_classes(plugins)
    return MLLM.load(
        model, revision=revision, dtype=dtype, device=device, quantization=quantization
    )


def run(
    preset: str = "toy",
    settings: Settings | None = None,
    *,
    out: Path | str | None = None,
    progress: bool = True,
) -> Run:
    """The whole experiment, as `mlubench run` makes it, with its report. What is finished in `out` is kept.

    `out` is the run's folder, runs/PRESET if none is given. Without `progress` no lines are printed.
    """
    config = load(preset, _overrides(settings))
    folder = Path(out) if out is not None else Path("runs") / config.preset
    quiet()
    results = run_lifelong(config, folder, plain_console(stderr=True, quiet=not progress))
    write_report(folder, results)
    return open_run(folder)


def register_method(name: str, method: type[Method], summary: str = "") -> None:
    """Let `methods: [NAME]` mean this class, in this process. Raises UsageError for a name that is taken."""
    LOSSES.register(name, method, summary)


def register_gate(name: str, gate: Callable[[], Gate], summary: str = "") -> None:
    """Let `gate: NAME` mean what this class or function makes, in this process. UsageError for a name that is taken."""
    GATES.register(name, gate, summary)


def register_judge(
    name: str, judge: Callable[[Sequence[tuple[str, str]]], Judge], summary: str = ""
) -> None:
    """Let `judge: NAME` mean what this class or function makes, in this process. UsageError for a name that is taken.

    It is given the (class, truth) pairs of the whole benchmark, which tell what is specific from what is common.
    """
    JUDGES.register(name, judge, summary)


def _overrides(settings: Settings | None) -> list[str]:
    overrides = []
    for key, value in (settings or {}).items():
        plain = str(value) if isinstance(value, Path) else value
        overrides.append(f"{key}={yaml.safe_dump(plain, default_flow_style=True)}")
    return overrides
