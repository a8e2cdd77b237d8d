"""Asks a learner in batches, which the processes of a run answer in turns."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from mlubench.core import processes
from mlubench.experiment.learners.base import Learner
from mlubench.types import AnswerRow, Route, Sample

RoutedSample = tuple[Sample, Route | None]


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What a model makes of a sample: the part of an answer that depends on the model alone."""

    response: str
    truth_probability: float | None  # as in AnswerRow
    probability_measured: bool


# What was generated already, before any second look, by sample id and experts. It holds for a learner that is frozen.
KnownAnswers = dict[tuple[str, tuple[str, ...]], ModelAnswer]


def key_of(sample: Sample, route: Route | None) -> tuple[str, tuple[str, ...]]:
    """What an answer of a frozen learner is known by."""
    return sample.id, experts_of(route)


def experts_of(route: Route | None) -> tuple[str, ...]:
    """The experts that answer; none where the base does, with or without a gate."""
    return route.experts if route is not None else ()


def is_refusal(route: Route | None) -> bool:
    """Whether the answer is the fixed refusal of a gate that failed, not the model's own."""
    return route is not None and route.refused


def answered_in_turns(
    learner: Learner,
    pairs: Sequence[RoutedSample],
    size: int,
    probability: bool,
    is_done: Callable[[RoutedSample], bool],
) -> Iterator[list[tuple[RoutedSample, ModelAnswer]]]:
    """What the model says to the pairs: batches of `size`, of which every process answers one a turn."""
    # Batches are made of all samples and dropped whole. So a resumed run batches, and answers, as one that never stopped.
    waiting = []
    for candidate in batches_of(pairs, size, learner.mixed):
        if not all(is_done(pair) for pair in candidate):
            waiting.append(candidate)
    for first in range(0, len(waiting), processes.world()):
        turn = waiting[first : first + processes.world()]
        # In the last turn some processes have no batch of their own. They repeat another's, which is dropped again: a
        # sharded model needs all processes in every pass.
        mine = turn[processes.rank() % len(turn)]
        by_process = processes.gathered(_answer_batch(learner, mine, probability))
        answers = [answer for answered in by_process[: len(turn)] for answer in answered]
        yield list(zip([pair for pairs in turn for pair in pairs], answers, strict=True))


def batches_of(
    routed: Sequence[RoutedSample], size: int, mixed: bool
) -> Iterator[list[RoutedSample]]:
    """Batches of samples alike in experts and length, so that few rows wait for the longest.

    All rows of one have a picture, or none has. Where batches are not `mixed`, they have the same experts.
    """

    def order(pair: RoutedSample) -> tuple[bool, tuple[str, ...], int, str]:
        sample, route = pair
        return not sample.image, experts_of(route), len(sample.truth), sample.id

    remaining = sorted(routed, key=order)
    while remaining:
        shows = bool(remaining[0][0].image)
        batch = [pair for pair in remaining[:size] if bool(pair[0].image) is shows]
        if not mixed:
            experts = experts_of(batch[0][1])
            batch = [pair for pair in batch if experts_of(pair[1]) == experts]
        yield batch
        # Rows with other experts or without a picture sort behind these, so the batch is the beginning of what remains.
        remaining = remaining[len(batch) :]


def _answer_batch(
    learner: Learner, batch: Sequence[RoutedSample], probability: bool
) -> list[ModelAnswer]:
    samples = [sample for sample, _ in batch]
    routes = [route for _, route in batch]
    responses = learner.answer(samples, routes)
    probabilities: Sequence[float | None] = [None] * len(batch)
    if probability:
        probabilities = learner.truth_probabilities(samples, routes)
    answers = []
    for response, truth in zip(responses, probabilities, strict=True):
        answers.append(ModelAnswer(response, truth, probability))
    return answers


def answer_row(sample: Sample, route: Route | None, answer: ModelAnswer) -> AnswerRow:
    """The line of a file of answers."""
    return replace(
        AnswerRow.of(sample, answer.response, route),
        truth_probability=answer.truth_probability,
        probability_measured=answer.probability_measured,
    )
