"""Which references a run makes, and the first of them: LUMoE's gate without any expert."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mlubench.experiment.learners.lumoe import LumoeLearner
from mlubench.experiment.samples import tested_after
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL
from mlubench.runs.folder import GATE_ONLY, RunDir
from mlubench.runs.rows import read_answers, write_answers
from mlubench.runs.wholeness import record
from mlubench.settings.evaluation import EvaluateConfig
from mlubench.settings.run import Config
from mlubench.types import AnswerRow, Reference


def references_of(config: Config) -> list[Reference]:
    """The references that the run can make: there is no gate without LUMoE."""
    has_gate = LumoeLearner.name in config.methods
    return [name for name in config.references if name != GATE_ONLY or has_gate]


def write_gate_only(run: RunDir, settings: EvaluateConfig, order: Sequence[str]) -> None:
    """The answers of the gate alone, made of LUMoE's, so that no model is asked. What is there stays."""
    for after in order:
        for task in tested_after(settings, order, after):
            source = run.answers(LumoeLearner.name, task, after)
            path = run.answers(GATE_ONLY, task, after)
            if source.is_file() and not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_answers(path, gate_only(read_answers(source)))
                record(run, path)


def gate_only(rows: Iterable[AnswerRow]) -> list[AnswerRow]:
    """Answers with one fixed sentence wherever an expert is asked, by the route or after the second look."""
    return [_without_experts(row) for row in rows]


def _without_experts(row: AnswerRow) -> AnswerRow:
    # No model gives the sentence, so it has no probability of the truth.
    plain = replace(row, truth_probability=None, probability_measured=False)
    if row.route is None:
        return plain
    if row.route.experts:
        # The draft was an expert's, and here there is none.
        return replace(plain, response=GATE_REFUSAL, second_look=None)
    if row.second_look is not None:
        return replace(plain, response=GATE_REFUSAL)
    return plain
