"""Builds a benchmark from a spec: runs the stages under a lock, and hands them the endpoint that answers questions."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlubench.authoring import beginning
from mlubench.authoring.finishing import Scores, finishing
from mlubench.authoring.rows import ItemRow
from mlubench.authoring.spec import AnswersSpec, BuildSpec, read_spec
from mlubench.authoring.stages import (
    RECORD,
    Asked,
    Context,
    Progress,
    Stage,
    State,
    plan_stages,
    quiet,
    run_stages,
)
from mlubench.core.errors import MlubenchError, UsageError
from mlubench.endpoint.client import Answer, Chat, Parameters
from mlubench.endpoint.limits import Limits
from mlubench.endpoint.prices import Price, Spend
from mlubench.runs.folder import RunDir

_AT_ONCE = 8  # questions of one batch for each that is under way at once: pictures are read as they are needed


def stages_of(spec: BuildSpec) -> list[Stage]:
    """Every stage of a build, in order."""
    return [*beginning.STAGES, *finishing(spec)]


def context(path: Path, out: Path, progress: Progress = quiet) -> Context:
    """The spec at `path` and what its stages may use. Raises UsageError for a wrong spec or folder."""
    spec = read_spec(path)
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is not a folder", "Give another --out.")
    if (
        out.is_dir()
        and not (out / RECORD).is_file()
        and any(f.name != ".lock" for f in out.iterdir())
    ):
        raise UsageError(
            f"{out} holds something that is not a build", "Give a new folder with --out."
        )
    return Context(spec, path.parent, out, {"ask": _Asking(spec.answers), "know": _know}, progress)


def build(ctx: Context, *, redo: Sequence[str] = (), until: str | None = None) -> list[State]:
    """Bring the build up to date, while no other process works in its folder."""
    stages = stages_of(ctx.spec)
    if (
        ctx.spec.write.parquet
        and until in (None, "dataset", "datasheet")
        and find_spec("pyarrow") is None
    ):
        raise UsageError(
            "the pyarrow package is missing",
            "Run: pip install 'mlubench[build]', or set write: {parquet: false}.",
        )
    with RunDir(ctx.root).lock():
        return run_stages(stages, ctx, redo=redo, until=until)


def spent(ctx: Context) -> str:
    """What the endpoint was asked in this build, in words; empty where nothing was."""
    spend: Spend = ctx.tools["ask"].spend
    return spend.told() if spend.requests else ""


def plan(ctx: Context) -> list[tuple[State, str]]:
    """How each stage stands, and what it would do; changes nothing."""
    return plan_stages(stages_of(ctx.spec), ctx)


def _know(ctx: Context, items: Sequence[ItemRow]) -> list[Scores]:
    from mlubench.authoring.knowledge import (
        know,
    )  # brings torch along, which a build without models does not need

    return know(ctx, items)


class _Asking:
    """An Asker over the endpoint; opened only when something is asked."""

    def __init__(self, settings: AnswersSpec) -> None:
        self._settings = settings
        priced = settings.price_in or settings.price_out
        price = Price(settings.price_in, settings.price_out) if priced else None
        self.spend = Spend(price, settings.max_cost)

    def __call__(self, questions: Sequence[Asked]) -> Iterator[str | MlubenchError]:
        if not questions:
            return
        s = self._settings
        limits = Limits(s.timeout, s.retries, s.parallel)
        chat = Chat(s.model, limits, Parameters(s.max_tokens), spend=self.spend)
        chat.check()
        step = _AT_ONCE * s.parallel
        for start in range(0, len(questions), step):
            replies = chat.ask([self._messages(one) for one in questions[start : start + step]])
            yield from (r.text if isinstance(r, Answer) else r for r in replies)

    def _messages(self, one: Asked) -> list[Any]:
        from mlubench.lumoe.gates.mllm import (
            data_uri,
        )  # brings torch along, which a build from facts does not need

        content: list[dict[str, Any]] = [{"type": "text", "text": one.prompt}]
        if one.picture is not None:
            uri = data_uri(one.picture, self._settings.max_side)
            content.insert(0, {"type": "image_url", "image_url": {"url": uri}})
        return [{"role": "user", "content": content}]
