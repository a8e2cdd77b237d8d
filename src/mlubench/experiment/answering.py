"""Asks an archived model the questions of a task, and keeps every answer."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlubench.core import processes
from mlubench.experiment.held_back import answered_again
from mlubench.experiment.learners.base import Learner
from mlubench.experiment.turns import (
    KnownAnswers,
    ModelAnswer,
    RoutedSample,
    answer_row,
    answered_in_turns,
    experts_of,
    is_refusal,
    key_of,
)
from mlubench.runs.rows import append_answers, read_answers, write_answers
from mlubench.types import AnswerRow, Sample


def answer_cell(
    path: Path,
    samples: Sequence[Sample],
    learner: Learner,
    *,
    batch: int,
    known: KnownAnswers,
    probability: bool = False,
) -> None:
    """Write one line a sample to `path`, batch by batch, so that a killed run goes on where it was.

    `known` is read, and of a frozen learner what is new is added to it. With `probability` each line also says how
    probable the truth is to the model that answered.
    """
    routed = list(zip(samples, learner.routes(samples), strict=True))
    part = path.with_name(path.name + ".part")
    rows = processes.agreed(lambda: _resume(part))

    def is_new(pair: RoutedSample) -> bool:
        return is_refusal(pair[1]) or key_of(*pair) not in known

    def is_written(pair: RoutedSample) -> bool:
        return pair[0].id in rows

    new_pairs = [pair for pair in routed if is_new(pair)]
    for answered in answered_in_turns(learner, new_pairs, batch, probability, is_written):
        new = [answer_row(*pair, answer) for pair, answer in answered]
        rows |= {row.id: row for row in new}
        processes.written(lambda: append_answers(part, new))  # noqa: B023 - called at once
    for sample, route in routed:
        if sample.id not in rows:
            rows[sample.id] = answer_row(sample, route, known[key_of(sample, route)])
        if learner.frozen:
            known |= _known_draft(rows[sample.id])
    for new in answered_again(learner, routed, rows, known, batch, probability):
        rows |= {row.id: row for row in new}
        processes.written(lambda: append_answers(part, new))  # noqa: B023 - called at once
    processes.written(lambda: write_answers(path, [rows[s.id] for s in samples]))
    processes.written(part.unlink)


def _resume(part: Path) -> dict[str, AnswerRow]:
    """What a killed process had answered, by sample id. A line that it had not finished is taken out of the file."""
    part.parent.mkdir(parents=True, exist_ok=True)
    rows = read_answers(part)
    write_answers(part, rows)
    return {row.id: row for row in rows}


def known_answers(path: Path) -> KnownAnswers:
    """What a finished file of answers says, for a learner whose answers depend on query and experts alone."""
    known: KnownAnswers = {}
    for row in read_answers(path):
        known |= _known_draft(row)
        if row.second_look is not None and row.second_look.experts:
            known[row.id, row.second_look.experts] = _model_answer(row)
    return known


def _known_draft(row: AnswerRow) -> KnownAnswers:
    """What a row says of the model that its route names; nothing where no model answered."""
    if is_refusal(row.route):
        return {}
    key = row.id, experts_of(row.route)
    if row.second_look is None:
        return {key: _model_answer(row)}
    # The row's probability is that of whoever answered in the end.
    if row.probability_measured:
        return {}
    return {key: replace(_model_answer(row), response=row.second_look.draft)}


def _model_answer(row: AnswerRow) -> ModelAnswer:
    return ModelAnswer(row.response, row.truth_probability, row.probability_measured)
