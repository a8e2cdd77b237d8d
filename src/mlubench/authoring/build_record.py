"""build.json: what each stage was made from and what it wrote, and so how each stage stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from typing_extensions import TypedDict

from mlubench.authoring.stage import Context, Stage
from mlubench.core.files import digest, file_sha256, write_json
from mlubench.core.reading import read_json

RECORD = "build.json"
_SCHEMA = 1
_HASH_DIGITS = 64  # a whole SHA-256 in hex

# done: nothing to do. mended: a person changed what we wrote, and it stays. todo: to be made.
# clash: it would have to be made anew, but a person's work lies there.
StageStatus = Literal["done", "mended", "todo", "clash"]


class StageEntry(TypedDict):
    """What build.json says of one stage."""

    inputs: dict[str, str]  # "spec" and each needed stage -> hash
    outputs: dict[str, str] | None  # name -> hash; None while the stage is under way


class _Build(TypedDict):
    """The content of build.json."""

    stages: dict[str, StageEntry]


@dataclass(frozen=True, slots=True)
class StageState:
    """How a stage stands, and the hashes of its inputs as they are now."""

    name: str
    status: StageStatus
    inputs: dict[str, str]
    # It is `todo` only because it lacks what the same inputs may give today.
    goes_on: bool = False


class BuildRecord:
    """The entries of build.json. Every change is on the disk at once."""

    def __init__(self, root: Path) -> None:
        self.path = root / RECORD
        self.stages: dict[str, StageEntry] = {}
        if self.path.is_file():
            hint = "Put a copy of it back, or build in another folder."
            self.stages = read_json(self.path, _Build, hint)["stages"]

    def note(self, name: str, entry: StageEntry) -> None:
        self.stages[name] = entry
        write_json(self.path, {"schema": _SCHEMA, "stages": self.stages})


def output_hash(path: Path) -> str | None:
    """The hash of a file, or of a folder by its files' names and contents; None for nothing."""
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if f.is_file())
        named = [(f.relative_to(path).as_posix(), file_sha256(f)) for f in files]
        return digest(named, _HASH_DIGITS)
    if path.is_file():
        return file_sha256(path)
    return None


def output_hashes(stage: Stage, root: Path) -> dict[str, str | None]:
    return {name: output_hash(root / name) for name in stage.outputs}


def inputs_hash(inputs: Mapping[str, str]) -> str:
    """One hash of all inputs of a stage."""
    return digest(inputs, _HASH_DIGITS)


def state_of(
    stage: Stage, stages: Sequence[Stage], record: BuildRecord, ctx: Context
) -> StageState:
    """Compares what build.json says of a stage with the files and the spec as they are now."""
    inputs = _inputs(stage, stages, ctx)
    outputs = output_hashes(stage, ctx.root)
    status = _status(record.stages.get(stage.name), inputs, outputs)
    if (
        status != "done"
        or not stage.unfinished(ctx)
        or _is_later_work_mended(stage, stages, record, ctx)
    ):
        return StageState(stage.name, status, inputs)
    return StageState(stage.name, "todo", inputs, goes_on=True)


def _is_later_work_mended(
    stage: Stage, stages: Sequence[Stage], record: BuildRecord, ctx: Context
) -> bool:
    """Whether a person changed the output of a later stage, which other inputs would bring to nothing."""
    later = list(stages)[list(stages).index(stage) + 1 :]
    for other in later:
        entry = record.stages.get(other.name)
        if entry is None:
            continue
        if _status(entry, entry["inputs"], output_hashes(other, ctx.root)) == "mended":
            return True
    return False


def _inputs(stage: Stage, stages: Sequence[Stage], ctx: Context) -> dict[str, str]:
    by_name = {other.name: other for other in stages}
    inputs = {"spec": digest(stage.settings(ctx), _HASH_DIGITS)}
    for need in stage.needs:
        inputs[need] = digest(output_hashes(by_name[need], ctx.root), _HASH_DIGITS)
    return inputs


def _status(
    entry: StageEntry | None, inputs: dict[str, str], outputs: dict[str, str | None]
) -> StageStatus:
    if entry is None:
        # This build never began the stage. What lies there somebody else put there, and it is not
        # ours to overwrite.
        return "clash" if any(outputs.values()) else "todo"
    if entry["outputs"] is None or None in outputs.values():
        return "todo"
    inputs_changed = entry["inputs"] != inputs
    mended = entry["outputs"] != outputs
    if mended:
        return "clash" if inputs_changed else "mended"
    return "todo" if inputs_changed else "done"
