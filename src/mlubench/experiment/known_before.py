"""Marks the facts that a pretrained model really had: it tells them by name, before any of our teaching."""

from collections.abc import Sequence

from mlubench.core import processes
from mlubench.core.files import write_json
from mlubench.experiment.know import JUDGE
from mlubench.judging.run import make_judge
from mlubench.runs.folder import RunDir
from mlubench.runs.named import KnownBefore, KnownBeforeRow, NamedAnswer
from mlubench.settings.run import Config
from mlubench.statistics.scores import FULL
from mlubench.types import Benchmark, Entity, Judge, Question, Verdict


def mark_known_before(config: Config, benchmark: Benchmark, run: RunDir) -> None:
    """Write known_before.json, unless it is there. Only of a base made of pretrained parts: of another it is not known.

    `benchmark` is the whole one, with the facts that the base does not know.
    """
    if config.model.kind != "real" or config.model.path is not None:
        return
    if processes.agreed(run.known_before.is_file):
        return
    from mlubench.models.real.named import named_answers

    with processes.leader_first():
        answers = named_answers(config.model.real, benchmark, device=config.device)
    rows = judge_named(answers)
    processes.written(lambda: write_json(run.known_before, [row.model_dump() for row in rows]))


def judge_named(answers: Sequence[NamedAnswer]) -> list[KnownBeforeRow]:
    """Each answer with whether it is wholly right, by the rules."""
    references = [(Entity.from_key(answer.entity).cls, answer.truth) for answer in answers]
    judge = make_judge(JUDGE, references)
    rows = []
    for answer in answers:
        verdict = _correctness(judge, answer, answer.response)
        # The name alone, given as the answer, earns something: then the question tells it.
        name = _correctness(judge, answer, Entity.from_key(answer.entity).title)
        known: KnownBefore = "no"
        if name.score:
            known = "told by the question"
        elif verdict.score == FULL:
            known = "yes"
        rows.append(KnownBeforeRow(**answer.model_dump(), known=known, why=verdict.why))
    return rows


def _correctness(judge: Judge, answer: NamedAnswer, response: str) -> Verdict:
    question = Question("utility", answer.entity, answer.question, answer.truth, response)
    return judge.judge([question])[0]
