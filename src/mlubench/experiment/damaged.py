"""Answers that are not all there any more: dropped with their verdicts when a run goes on, which then makes them anew."""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from mlubench.core.errors import MlubenchError
from mlubench.experiment.samples import samples_to_test
from mlubench.runs.folder import BASE, KNOW, NOTHING_UNLEARNED, AnswerFile, RunDir
from mlubench.runs.rows import read_answers
from mlubench.runs.wholeness import damage, is_recorded, record
from mlubench.settings.evaluation import EvaluateConfig
from mlubench.types import Benchmark, Sample


def drop_damaged_know(run: RunDir, benchmark: Benchmark, console: Console) -> None:
    """Have the base asked anew what it knows, where these answers are damaged."""
    file = AnswerFile(run.know_answers, BASE, KNOW, NOTHING_UNLEARNED)
    asked = [s for s in benchmark.samples if s.calibrates]
    if file.path.is_file() and _is_dropped(run, file, asked, console):
        # What follows from them is judged from the new ones.
        run.know.unlink(missing_ok=True)


def drop_damaged(
    run: RunDir, benchmark: Benchmark, settings: EvaluateConfig, console: Console
) -> None:
    """Drop every damaged file of answers; `benchmark` holds the samples that are tested."""
    tasks = {task.name: task for task in benchmark}
    for file in run.answer_files():
        if file.task in tasks:
            _is_dropped(run, file, samples_to_test(tasks[file.task], settings.limit), console)


def _is_dropped(run: RunDir, file: AnswerFile, samples: Iterable[Sample], console: Console) -> bool:
    """Whether the file was damaged, and has been dropped. One that is whole is recorded, if it never was."""
    why = damage(run, file.path)
    if why is None and not is_recorded(run, file.path):
        why = _other_samples(file, samples)
    if why is None:
        if not is_recorded(run, file.path):
            record(run, file.path)
        return False
    name = file.path.relative_to(run.root)
    line = f"{name} is not as the run wrote it ({why}): asked for anew"
    console.print(Text(line, style="yellow"))
    file.path.unlink()
    for judge in run.judges():
        verdicts = run.root / "verdicts" / judge / file.method / file.path.name
        verdicts.unlink(missing_ok=True)
    return True


def _other_samples(file: AnswerFile, samples: Iterable[Sample]) -> str | None:
    """How the answers differ from those to these samples, in words; None where they are the same."""
    try:
        answered = [row.id for row in read_answers(file.path)]
    except MlubenchError as error:
        return error.what
    expected = [sample.id for sample in samples]
    if sorted(answered) == sorted(expected):
        return None
    return f"{len(set(answered) & set(expected)):,} of {len(expected):,} answers"
