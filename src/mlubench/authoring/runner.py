"""Runs a build's stages in order: what is unchanged is skipped, what a person mended is kept."""

from collections.abc import Sequence
from dataclasses import replace

from mlubench.authoring.build_record import (
    BuildRecord,
    StageState,
    StageStatus,
    inputs_hash,
    output_hashes,
    state_of,
)
from mlubench.authoring.partial_rows import partial_file
from mlubench.authoring.stage import Context, Stage
from mlubench.core.errors import MlubenchError, unknown_name
from mlubench.core.files import clear_abandoned_files


def run_stages(
    stages: Sequence[Stage], ctx: Context, *, redo: Sequence[str] = (), until: str | None = None
) -> list[StageState]:
    """Bring every stage up to date and say how each stood before: `todo` means made now.

    `redo` makes these stages anew, whatever a person did to their outputs. `until` stops after that
    stage. Raises MlubenchError where a mended output would have to be overwritten because its
    inputs changed too, and UsageError for an unknown stage.
    """
    _check_names(stages, redo, until)
    ctx.root.mkdir(parents=True, exist_ok=True)
    clear_abandoned_files(ctx.root)
    record = BuildRecord(ctx.root)
    states = []
    for stage in stages:
        state = state_of(stage, stages, record, ctx)
        if stage.name in redo:
            # Rows that a killed build left would otherwise be taken over.
            state = StageState(stage.name, "todo", state.inputs)
            _drop_partial_rows(stage, ctx)
        if state.status == "clash":
            raise _clash(stage, record, ctx)
        if state.status == "todo":
            _make(stage, state, record, ctx)
        # Also where nothing was made: a kill may have come after build.json was written and before
        # the partial rows were removed.
        _drop_partial_rows(stage, ctx)
        states.append(state)
        if stage.name == until:
            break
    return states


def plan_stages(stages: Sequence[Stage], ctx: Context) -> list[tuple[StageState, str]]:
    """How each stage stands and, in words, what `run_stages` would do now. Nothing is made."""
    record = BuildRecord(ctx.root)
    unmade: set[str] = set()  # stages so far whose outputs will change
    planned: list[tuple[StageState, str]] = []
    for stage in stages:
        follows_unmade = not unmade.isdisjoint(stage.needs)
        found = state_of(stage, stages, record, ctx)
        status = _status_after(found.status) if follows_unmade else found.status
        state = replace(found, status=status)
        if status == "clash":
            text = _clash(stage, record, ctx).what
        elif status == "todo":
            text = stage.plan(replace(ctx, goes_on=state.goes_on))
            # The stage's plan counts what lies there today, which an earlier stage will replace.
            if record.stages and follows_unmade:
                text += ", as files stand now"
        else:
            text = "nothing"
        planned.append((state, text))
        if status in ("todo", "clash"):
            unmade.add(stage.name)
    return planned


def _status_after(status: StageStatus) -> StageStatus:
    """The status of a stage whose inputs will change."""
    if status == "done":
        return "todo"
    if status == "mended":
        return "clash"
    return status


def _check_names(stages: Sequence[Stage], redo: Sequence[str], until: str | None) -> None:
    known = [stage.name for stage in stages]
    wanted = list(redo)
    if until:
        wanted.append(until)
    for name in wanted:
        if name not in known:
            raise unknown_name("stage", name, known)


def _make(stage: Stage, state: StageState, record: BuildRecord, ctx: Context) -> None:
    # Noted as begun first: what lies there after a kill is then known to be ours.
    record.note(stage.name, {"inputs": state.inputs, "outputs": None})
    stage.make(replace(ctx, stamp=inputs_hash(state.inputs), goes_on=state.goes_on))
    hashes = output_hashes(stage, ctx.root)
    written = {name: hash_ for name, hash_ in hashes.items() if hash_ is not None}
    record.note(stage.name, {"inputs": state.inputs, "outputs": written})


def _drop_partial_rows(stage: Stage, ctx: Context) -> None:
    for output in stage.outputs:
        partial_file(ctx.root / output).unlink(missing_ok=True)


def _clash(stage: Stage, record: BuildRecord, ctx: Context) -> MlubenchError:
    where = ctx.root / stage.outputs[0]
    way_out = f"`--redo {stage.name}` overwrites it"
    if stage.name not in record.stages:
        return MlubenchError(
            f"{where} is there, but this build did not make it", f"Move it away; {way_out}."
        )
    return MlubenchError(
        f"{where} was mended by hand, and what it was made from has changed since",
        f"{way_out}; to keep your changes, copy it, redo, and mend it again.",
    )
