"""Many independent runs from one file: what it may say, the runs that it stands for, and how far each has come."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from mlubench.core.errors import MlubenchError, UsageError, all_errors
from mlubench.core.files import canonical, digest
from mlubench.core.reading import read_json, read_yaml
from mlubench.runs.folder import RunDir
from mlubench.runs.results import RunFacts
from mlubench.settings.loading import WRONG, load
from mlubench.settings.run import Config
from mlubench.settings.strict import Strict

RunState = Literal["finished", "running", "failed", "interrupted", "not started"]
ERROR = "error.txt"  # one line, in the log folder of a start that failed


class SweepFile(Strict):
    """A sweep's file."""

    preset: str = "toy"  # or a YAML file beside this one
    # Hold for every run.
    settings: list[str] | dict[str, Any] = []
    # key.path -> the values to go through
    grid: dict[str, list[Any]] = {}
    parallel: int | None = Field(None, ge=1, description="The most runs at once.")
    # Goes to submitit: `partition`, `time` (minutes), `gpus_per_node`, `mem_gb` and whatever else it knows.
    slurm: dict[str, Any] = {}

    @field_validator("grid")
    @classmethod
    def _each_value_once(cls, grid: dict[str, list[Any]]) -> dict[str, list[Any]]:
        wrong = [f"{key} has no values" for key, values in grid.items() if not values]
        wrong += [
            f"{key} has a value twice"
            for key, values in grid.items()
            if len({*map(canonical, values)}) < len(values)
        ]
        if wrong:
            raise ValueError("; ".join(wrong))
        return grid

    @model_validator(mode="after")
    def _each_key_once(self) -> "SweepFile":
        fixed = {text.partition("=")[0].strip() for text in self.overrides()}
        both = [key for key in self.grid if key in fixed]
        if both:
            raise ValueError(f"in settings and in grid: {', '.join(both)}")
        return self

    def overrides(self) -> list[str]:
        """`settings` as `key.path=value` texts."""
        if isinstance(self.settings, list):
            return self.settings
        return [_override(key, value) for key, value in _flat(self.settings)]


@dataclass(frozen=True, slots=True)
class SweepRun:
    """One combination."""

    folder: Path
    settings: dict[str, Any]  # its values of the grid
    config: Config  # everything that it depends on

    @property
    def name(self) -> str:
        return self.folder.name


def read_sweep(path: Path) -> SweepFile:
    """The sweep in a YAML file. Raises UsageError that lists everything that is wrong, in any combination, at once."""
    values = read_yaml(path, "Give a sweep's YAML file, such as examples/sweep.yaml.")
    preset = values.get("preset")
    if isinstance(preset, str) and (path.parent / preset).is_file():
        values["preset"] = str(path.parent / preset)
    wrong: list[str] = []
    sweep: SweepFile | None = None
    try:
        sweep = SweepFile(**values)
    except (ValidationError, TypeError) as error:
        wrong.append(all_errors(error))
    wrong += _wrong_settings(sweep or _grid_alone(values))
    if wrong or sweep is None:
        raise UsageError(
            f"{path} is wrong: {'; '.join(wrong)}",
            "Keys: " + ", ".join(SweepFile.model_fields) + ".",
        )
    return sweep


def _grid_alone(values: dict[str, Any]) -> SweepFile | None:
    """The sweep without the keys that no run depends on, so that a wrong one of them hides nothing wrong in the runs."""
    usable = SweepFile.model_fields.keys() & values.keys() - {"parallel", "slurm"}
    try:
        return SweepFile(**{key: values[key] for key in usable})
    except ValidationError:
        return None


def expand(sweep: SweepFile, out: Path) -> list[SweepRun]:
    """Every run, in the order of the grid, with its folder under `out`.

    A folder is named by the run's values and the hash of its settings. One that ends in that hash is taken again, whatever
    else its name says, so that a key added to the grid does not orphan what is there. Raises UsageError for two
    combinations that are the same run.
    """
    there = {
        folder.name.rpartition("_")[2]: folder
        for folder in sorted(out.glob("*_*"))
        if folder.is_dir()
    }
    runs: dict[str, SweepRun] = {}
    for settings in _combinations(sweep):
        config = _config(sweep, settings)
        mark = digest(config.model_dump(mode="json", exclude_defaults=True), 10)
        if mark in runs:
            raise UsageError(
                f"two combinations of the grid are the same run: {_name(settings, mark)}",
                "Drop one.",
            )
        runs[mark] = SweepRun(there.get(mark, out / _name(settings, mark)), settings, config)
    return list(runs.values())


def state_of(run: SweepRun, logs: Path) -> RunState:
    """How far a run has come, from the files alone. `failed` and `interrupted` ones are to be started again."""
    if is_finished(run):
        return "finished"
    if is_busy(run):
        return "running"
    starts = starts_of(run, logs)
    if starts and (starts[-1] / ERROR).is_file():
        return "failed"
    return "interrupted" if run.folder.is_dir() else "not started"


def is_finished(run: SweepRun) -> bool:
    """Whether the run came to its end and its results, which are written last, are there.

    Raises UsageError where the folder holds a run with other settings.
    """
    folder = RunDir(run.folder)
    if not folder.facts_file.is_file() or not folder.results.is_file():
        return False
    if not read_json(folder.facts_file, RunFacts).finished:
        return False
    # A method may have been added since.
    return folder.require_free(run.config)


def is_busy(run: SweepRun) -> bool:
    """Whether a process works in the run's folder."""
    if not run.folder.is_dir():
        return False
    try:
        with RunDir(run.folder).lock():
            return False
    except UsageError:
        raise
    except MlubenchError:
        return True


def starts_of(run: SweepRun, logs: Path) -> list[Path]:
    """The log folders of a run, one a start, oldest first."""
    return sorted(
        (f for f in (logs / run.name).glob("*") if f.name.isdigit()), key=lambda f: int(f.name)
    )


def _wrong_settings(sweep: SweepFile | None) -> list[str]:
    """What is wrong in any combination, each thing once."""
    wrong: dict[str, None] = {}
    if sweep is None:
        return []
    for settings in _combinations(sweep):
        try:
            _config(sweep, settings)
        except UsageError as error:
            parts = [str(error).rstrip(".")]
            if error.what.startswith(WRONG):  # one error that lists several
                parts = error.what.removeprefix(WRONG).split("; ")
            wrong.update(dict.fromkeys(parts))
    return list(wrong)


def _combinations(sweep: SweepFile) -> Iterator[dict[str, Any]]:
    for values in product(*sweep.grid.values()):
        yield dict(zip(sweep.grid, values, strict=True))


def _config(sweep: SweepFile, settings: dict[str, Any]) -> Config:
    return load(
        sweep.preset,
        [*sweep.overrides(), *(_override(key, value) for key, value in settings.items())],
    )


def _flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _override(key: str, value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9)
    return f"{key}={text.strip().removesuffix('...').strip()}"


def _name(settings: dict[str, Any], mark: str) -> str:
    """`seed-0_lr-0.001_MARK`: a name for people, and a mark that tells runs apart whatever is cut off it."""
    parts = [f"{_label(key, settings)}-{_slug(value)}" for key, value in settings.items()]
    return "_".join(["_".join(parts)[:100].strip("_-. ") or "run", mark])


def _label(key: str, among: dict[str, Any]) -> str:
    """The shortest end of a key.path that no other key of the grid ends in."""
    words = key.split(".")
    for start in range(len(words) - 1, 0, -1):
        end = ".".join(words[start:])
        if not any(other != key and f".{other}".endswith(f".{end}") for other in among):
            return end
    return key


def _slug(value: Any) -> str:
    if isinstance(value, dict):
        value = [f"{key}-{_slug(below)}" for key, below in value.items()]
    if isinstance(value, list):
        return "+".join(map(_slug, value))[:40] or "none"
    text = str(value).rstrip("/").rpartition("/")[2]
    return re.sub(r"[^\w.+-]+", "-", text)[:40].strip("-.") or "none"
