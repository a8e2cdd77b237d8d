"""Judging through an endpoint's batch API: send, be closed, come back, collect."""

from collections.abc import Callable
from pathlib import Path

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import write_json
from mlubench.core.reading import read_json
from mlubench.judging.llm.judge import BatchJudge, BatchSource
from mlubench.judging.run import Unjudged
from mlubench.runs.folder import RunDir
from mlubench.settings.strict import Strict


class _Batches(Strict):
    """The batches of a judge that are under way."""

    judge: str
    batches: list[str]
    """Their ids at the endpoint."""


Say = Callable[[str], None]


def require_collected(run: RunDir, judge: str) -> None:
    """Raises MlubenchError where a batch is under way, since its questions would be paid for twice."""
    path = run.batches(judge)
    if path.is_file():
        raise MlubenchError(
            f"a batch of {judge} is under way",
            f"Collect it with --batch, or delete {path} to ask anew and pay again.",
        )


def batch_step(run: RunDir, todo: Unjudged, say: Say) -> bool:
    """Send what is outstanding, or collect what was sent; whether all has been collected, so that verdicts can be written.

    What a batch left out is then asked for in the ordinary way.
    """
    judge = todo.judge
    source = judge.batch_source() if isinstance(judge, BatchJudge) else None
    if not isinstance(judge, BatchJudge) or source is None:
        raise UsageError(f"{judge.name} asks no endpoint", "--batch is for openai:<model>.")
    path = run.batches(judge.name)
    if path.is_file():
        return _collect(judge.name, judge, source, path, say)
    asked = judge.outstanding(todo.questions()).asked
    if not asked:
        return True
    names = source.send_batches(asked)
    write_json(path, _Batches(judge=judge.name, batches=names).model_dump())
    say(
        f"{judge.name}: {len(asked):,} questions sent in {len(names)} batch(es). Call this again to collect them."
    )
    return False


def _collect(judge_name: str, judge: BatchJudge, source: BatchSource, path: Path, say: Say) -> bool:
    """Keep the replies that have come to the batches named in `path`; whether all batches are over."""
    hint = "Delete it to ask anew, and pay again."
    left = read_json(path, _Batches, hint).batches
    for name in list(left):
        found = source.collect_batch(name)
        judge.keep(found.replies)
        say(
            f"{judge_name}: batch {name} {found.state}, {found.done:,} done, {len(found.replies):,} collected"
        )
        if found.over:
            left.remove(name)
            # Written after each batch: replies of one that is off the list are kept already.
            write_json(path, _Batches(judge=judge_name, batches=left).model_dump())
    if left:
        return False
    path.unlink()
    return True
