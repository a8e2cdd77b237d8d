"""Runs a build's stages in order: what is finished and unchanged is skipped, what a person mended is kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from mlubench.authoring.parts import parts_of
from mlubench.authoring.spec import BuildSpec
from mlubench.core.errors import MlubenchError, unknown_name
from mlubench.core.files import clear_abandoned_files, digest, file_sha256, read_json, write_json

RECORD = "build.json"
_SCHEMA = 1

Progress = Callable[[str, int, int], None]  # what is being done, how many are done, of how many


@dataclass(frozen=True, slots=True)
class Asked:
    """One question for a model: `picture` is a file to show it, or None."""

    prompt: str
    picture: Path | None


class Asker(Protocol):
    """Replies in the order of the questions, as they come; an error, not raised, where there is none."""

    def __call__(self, questions: Sequence[Asked]) -> Iterator["str | MlubenchError"]: ...


def quiet(what: str, done: int, total: int) -> None:
    return None


@dataclass(frozen=True)
class Context:
    """What a stage may use. `base` is the folder that the spec's relative paths start from, `root` the build's folder.

    `tools` is what stands in higher layers and is handed down: `ask` (an Asker) and whatever later stages need. `stamp`
    hashes the inputs of the stage under way; Parts take it.
    """

    spec: BuildSpec
    base: Path
    root: Path
    tools: dict[str, Any] = field(default_factory=dict)
    progress: Progress = quiet
    stamp: str = ""

    def outside(self, path: Path) -> Path:
        """A path of the spec."""
        return self.base / path


@dataclass(frozen=True)
class Stage:
    """`make` writes all `outputs` (files or folders in the build's folder; the first is what a person mends).

    `needs` are earlier stages, `settings` the part of the spec and the hashes of outside files that `outputs` depend on:
    any JSON-like value. `plan` says on one line what `make` would do, for --dry-run.
    """

    name: str
    outputs: tuple[str, ...]
    needs: tuple[str, ...]
    settings: Callable[[Context], Any]
    make: Callable[[Context], None]
    plan: Callable[[Context], str]


@dataclass(frozen=True, slots=True)
class State:
    """How a stage stands. `todo`: its inputs are new or changed; `mended`: a person changed what we wrote."""

    name: str
    status: str  # done, mended, todo, clash
    inputs: dict[str, str]


def output_hash(path: Path) -> str | None:
    """Of a file, or of a folder by its files' names and contents; None where there is nothing."""
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if f.is_file())
        return digest([(f.relative_to(path).as_posix(), file_sha256(f)) for f in files], 64)
    return file_sha256(path) if path.is_file() else None


class Record:
    """build.json: the hashes of every stage's inputs, and of its outputs as we wrote them."""

    def __init__(self, root: Path) -> None:
        self.path = root / RECORD
        self.stages: dict[str, Any] = read_json(self.path)["stages"] if self.path.is_file() else {}

    def note(self, name: str, entry: dict[str, Any] | None) -> None:
        if entry is None:
            self.stages.pop(name, None)
        else:
            self.stages[name] = entry
        write_json(self.path, {"schema": _SCHEMA, "stages": self.stages})


def state_of(stage: Stage, stages: Sequence[Stage], record: Record, ctx: Context) -> State:
    by_name = {s.name: s for s in stages}
    inputs = {"spec": digest(stage.settings(ctx), 64)}
    for need in stage.needs:
        inputs[need] = digest(_outputs(by_name[need], ctx), 64)
    entry, now = record.stages.get(stage.name), _outputs(stage, ctx)
    if entry is None:
        there = any(
            now.values()
        )  # nothing that we began: somebody put it there, and it is not ours to overwrite
        return State(stage.name, "clash" if there else "todo", inputs)
    if entry["outputs"] is None or None in now.values():
        return State(stage.name, "todo", inputs)
    changed, mended = entry["inputs"] != inputs, entry["outputs"] != now
    if mended:
        return State(stage.name, "clash" if changed else "mended", inputs)
    return State(stage.name, "todo" if changed else "done", inputs)


def _outputs(stage: Stage, ctx: Context) -> dict[str, str | None]:
    return {name: output_hash(ctx.root / name) for name in stage.outputs}


def run_stages(
    stages: Sequence[Stage], ctx: Context, *, redo: Sequence[str] = (), until: str | None = None
) -> list[State]:
    """Bring every stage up to date and say how each stood before: `todo` means that it was made now.

    `redo` makes these stages anew whatever a person did to their outputs; `until` stops after that stage. Raises
    MlubenchError where a mended output would have to be overwritten because its inputs changed too.
    """
    for name in (*redo, *([until] if until else [])):
        if name not in (known := [s.name for s in stages]):
            raise unknown_name("stage", name, known)
    ctx.root.mkdir(parents=True, exist_ok=True)
    clear_abandoned_files(ctx.root)
    record, states = Record(ctx.root), []
    for stage in stages:
        state = state_of(stage, stages, record, ctx)
        if stage.name in redo:
            state = State(stage.name, "todo", state.inputs)
        if state.status == "clash":
            raise _clash(stage, record, ctx)
        if state.status == "todo":
            if stage.name in redo:
                _drop_parts(stage, ctx)
            _bring(stage, state, record, ctx)
        else:
            _drop_parts(
                stage, ctx
            )  # left by a kill between the note that the stage was finished and its tidying up
        states.append(state)
        if stage.name == until:
            break
    return states


def plan_stages(stages: Sequence[Stage], ctx: Context) -> list[tuple[State, str]]:
    """How each stage stands and, in words, what `run_stages` would do now. Nothing is made.

    What follows a stage that is still to do is to do as well.
    """
    record, found, ahead = Record(ctx.root), list[tuple[State, str]](), set[str]()
    for stage in stages:
        state = state_of(stage, stages, record, ctx)
        if ahead & set(stage.needs) and state.status == "done":
            state = State(state.name, "todo", state.inputs)
        if ahead & set(stage.needs) and state.status == "mended":
            state = State(state.name, "clash", state.inputs)
        if state.status == "clash":
            found.append((state, _clash(stage, record, ctx).what))
        else:
            stale = ", as files stand now" if record.stages and ahead & set(stage.needs) else ""
            found.append((state, stage.plan(ctx) + stale if state.status == "todo" else "nothing"))
        ahead |= {stage.name} if state.status in ("todo", "clash") else set()
    return found


def _bring(stage: Stage, state: State, record: Record, ctx: Context) -> None:
    # Noted as begun: what lies there after a kill is ours.
    record.note(stage.name, {"inputs": state.inputs, "outputs": None})
    stage.make(replace(ctx, stamp=digest(state.inputs, 64)))
    record.note(stage.name, {"inputs": state.inputs, "outputs": _made(stage, ctx)})
    _drop_parts(stage, ctx)


def _drop_parts(stage: Stage, ctx: Context) -> None:
    for output in stage.outputs:
        parts_of(ctx.root / output).unlink(missing_ok=True)


def _made(stage: Stage, ctx: Context) -> dict[str, str]:
    made = _outputs(stage, ctx)
    return {name: hash_ for name, hash_ in made.items() if hash_ is not None}


def _clash(stage: Stage, record: Record, ctx: Context) -> MlubenchError:
    where = ctx.root / stage.outputs[0]
    way = f"`--redo {stage.name}` overwrites it"
    if stage.name not in record.stages:
        return MlubenchError(
            f"{where} is there, but this build did not make it", f"Move it away; {way}."
        )
    return MlubenchError(
        f"{where} was mended by hand, and what it was made from has changed since",
        f"{way}; to keep your changes, copy it, redo, and mend it again.",
    )
