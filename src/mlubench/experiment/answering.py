"""Asks an archived model the questions of a task, and keeps every answer."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from mlubench.core import processes
from mlubench.lumoe.engine.looking_again import Reply, route_of
from mlubench.runs.rows import append_answers, read_answers, write_answers
from mlubench.settings.evaluation import EvaluateConfig
from mlubench.types import AnswerRow, Route, Sample, SecondLook, Task

RoutedSample = tuple[Sample, Route | None]


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What a model makes of a sample: the part of an answer that depends on the model alone."""

    response: str
    truth_probability: float | None  # as in AnswerRow
    probability_measured: bool


# What was generated already, before any second look, by sample id and experts. It holds for a learner that is frozen.
KnownAnswers = dict[tuple[str, tuple[str, ...]], ModelAnswer]


class Learner(Protocol):
    """A method in the sequence."""

    name: str
    # Whether what `answer` says depends on the query and the experts alone, whatever was learned later.
    frozen: bool
    # Whether a batch may hold rows for different experts. On a sharded base it may not: there all processes have to
    # make the same number of passes.
    mixed: bool

    def at(self, done: list[str]) -> None:
        """Be the state archived after these tasks."""

    def learn(self, task: Task) -> None:
        """Unlearn the task from the present state and archive the outcome."""

    def routes(self, samples: Sequence[Sample]) -> list[Route | None]: ...

    def answer(self, samples: Sequence[Sample], routes: Sequence[Route | None]) -> list[str]:
        """What the model says, before any second look."""

    def second_looks(
        self, samples: Sequence[Sample], routes: Sequence[Route | None], drafts: Sequence[str]
    ) -> list[SecondLook | None]:
        """For each draft why it must not leave and who is to answer instead; None where it may leave."""

    def settled(
        self,
        samples: Sequence[Sample],
        routes: Sequence[Route | None],
        looks: Sequence[SecondLook],
        texts: Sequence[str],
    ) -> list[Reply]:
        """What leaves of the texts that were answered instead of drafts. `routes` are those of the drafts."""

    def truth_probabilities(
        self, samples: Sequence[Sample], routes: Sequence[Route | None]
    ) -> Sequence[float | None]:
        """How probable each sample's truth is to the model that answers it; None where no model does."""


def tested(task: Task, limit: int | None) -> list[Sample]:
    """The task's test samples.

    With a limit, at most so many a split, dealt round the facts and round each fact's phrasings.
    """
    chosen: list[Sample] = []
    for split in (task.forget, task.retain):
        # Sorted, so that the choice does not depend on the order of the records.
        rows = sorted((s for s in split if s.tests), key=lambda s: s.id)
        rows = _deal_round(rows, lambda s: (s.fact, s.phrasing))
        rows = _deal_round(rows, lambda s: s.fact)
        chosen += rows[:limit]
    return chosen


def tested_after(config: EvaluateConfig, order: Sequence[str], after: str) -> list[str]:
    """The tasks that the archive made after `after` is tested on."""
    if config.tasks == "all":
        return list(order)
    return list(order[: order.index(after) + 1])


def _deal_round(rows: Sequence[Sample], group: Callable[[Sample], Hashable]) -> list[Sample]:
    """The samples round by round: in each round one of every group that has any left, in their order."""
    dealt_before: Counter[Hashable] = Counter()
    rounds = []
    for sample in rows:
        rounds.append((dealt_before[group(sample)], sample))
        dealt_before[group(sample)] += 1
    rounds.sort(key=lambda pair: pair[0])
    return [sample for _, sample in rounds]


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
        return _is_refusal(pair[1]) or _key(*pair) not in known

    def is_written(pair: RoutedSample) -> bool:
        return pair[0].id in rows

    new_pairs = [pair for pair in routed if is_new(pair)]
    for answered in _in_turns(learner, new_pairs, batch, probability, is_written):
        new = [_answer_row(*pair, answer) for pair, answer in answered]
        rows |= {row.id: row for row in new}
        processes.written(lambda: append_answers(part, new))  # noqa: B023 - called at once
    for sample, route in routed:
        if sample.id not in rows:
            rows[sample.id] = _answer_row(sample, route, known[_key(sample, route)])
        if learner.frozen:
            known |= _known_draft(rows[sample.id])
    for new in _answered_again(learner, routed, rows, known, batch, probability):
        rows |= {row.id: row for row in new}
        processes.written(lambda: append_answers(part, new))  # noqa: B023 - called at once
    processes.written(lambda: write_answers(path, [rows[s.id] for s in samples]))
    processes.written(part.unlink)


def _in_turns(
    learner: Learner,
    pairs: Sequence[RoutedSample],
    size: int,
    probability: bool,
    is_done: Callable[[RoutedSample], bool],
) -> Iterator[list[tuple[RoutedSample, ModelAnswer]]]:
    """What the model says to the pairs: batches of `size`, of which every process answers one a turn."""
    # Batches are made of all samples and dropped whole. So a resumed run batches, and answers, as one that never stopped.
    batches = []
    for candidate in _batches(pairs, size, learner.mixed):
        if not all(is_done(pair) for pair in candidate):
            batches.append(candidate)
    for first in range(0, len(batches), processes.world()):
        turn = batches[first : first + processes.world()]
        # In the last turn some processes have no batch of their own. They repeat another's, which is dropped again: a
        # sharded model needs all processes in every pass.
        mine = turn[processes.rank() % len(turn)]
        by_process = processes.gathered(_answer_batch(learner, mine, probability))
        answers = [answer for answered in by_process[: len(turn)] for answer in answered]
        yield list(zip([pair for pairs in turn for pair in pairs], answers, strict=True))


@dataclass(frozen=True, slots=True)
class _HeldBack:
    """A sample whose draft must not leave."""

    sample: Sample
    route: Route  # of the draft
    look: SecondLook

    @property
    def pair(self) -> RoutedSample:
        """The sample with the route to whoever is to answer instead."""
        return self.sample, route_of(self.look, self.route)


def _answered_again(
    learner: Learner,
    routed: Sequence[RoutedSample],
    rows: Mapping[str, AnswerRow],
    known: KnownAnswers,
    size: int,
    probability: bool,
) -> Iterator[list[AnswerRow]]:
    """The rows whose drafts the second look holds back, with what leaves instead; `known` gets what is new in it."""
    held_back = _held_back(learner, routed, rows)
    known_before: list[tuple[RoutedSample, ModelAnswer]] = []
    new_pairs: list[RoutedSample] = []
    for one in held_back.values():
        if not _is_refusal(one.pair[1]) and _key(*one.pair) in known:
            known_before.append((one.pair, known[_key(*one.pair)]))
        else:
            new_pairs.append(one.pair)
    if known_before:
        yield _settled(learner, known_before, held_back)

    def is_replaced(pair: RoutedSample) -> bool:
        return rows[pair[0].id].second_look is not None

    for answered in _in_turns(learner, new_pairs, size, probability, is_replaced):
        for pair, answer in answered:
            if learner.frozen and not _is_refusal(pair[1]):
                known[_key(*pair)] = answer
        yield _settled(learner, answered, held_back)


def _held_back(
    learner: Learner, routed: Sequence[RoutedSample], rows: Mapping[str, AnswerRow]
) -> dict[str, _HeldBack]:
    """By sample id what the second look holds back."""
    samples = [sample for sample, _ in routed]
    routes = [route for _, route in routed]
    drafts = [_draft(rows[sample.id]) for sample in samples]
    looks = learner.second_looks(samples, routes, drafts)
    found = {}
    for sample, route, look in zip(samples, routes, looks, strict=True):
        if look is not None and route is not None:
            found[sample.id] = _HeldBack(sample, route, look)
    return found


def _settled(
    learner: Learner,
    answered: Sequence[tuple[RoutedSample, ModelAnswer]],
    held_back: Mapping[str, _HeldBack],
) -> list[AnswerRow]:
    """The rows of what leaves, of what was answered instead of drafts."""
    first = [held_back[sample.id] for (sample, _), _ in answered]
    replies = learner.settled(
        [one.sample for one in first],
        [one.route for one in first],
        [one.look for one in first],
        [answer.response for _, answer in answered],
    )
    rows = []
    for one, (_, answer), reply in zip(first, answered, replies, strict=True):
        row = _answer_row(one.sample, one.route, answer)
        rows.append(replace(row, response=reply.text, second_look=reply.second_look))
    return rows


def _draft(row: AnswerRow) -> str:
    """What the model said first."""
    return row.response if row.second_look is None else row.second_look.draft


def _resume(part: Path) -> dict[str, AnswerRow]:
    """What a killed process had answered, by sample id. A line that it had not finished is taken out of the file."""
    part.parent.mkdir(parents=True, exist_ok=True)
    rows = read_answers(part)
    write_answers(part, rows)
    return {row.id: row for row in rows}


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
    if _is_refusal(row.route):
        return {}
    key = row.id, _experts(row.route)
    if row.second_look is None:
        return {key: _model_answer(row)}
    # The row's probability is that of whoever answered in the end.
    if row.probability_measured:
        return {}
    return {key: replace(_model_answer(row), response=row.second_look.draft)}


def _model_answer(row: AnswerRow) -> ModelAnswer:
    return ModelAnswer(row.response, row.truth_probability, row.probability_measured)


def _key(sample: Sample, route: Route | None) -> tuple[str, tuple[str, ...]]:
    """What an answer of a frozen learner is known by."""
    return sample.id, _experts(route)


def _experts(route: Route | None) -> tuple[str, ...]:
    return route.experts if route is not None else ()


def _is_refusal(route: Route | None) -> bool:
    """Whether the answer is the fixed refusal of a gate that failed, not the model's own."""
    return route is not None and route.refused


def _batches(
    routed: Sequence[RoutedSample], size: int, mixed: bool
) -> Iterator[list[RoutedSample]]:
    """Batches of samples alike in experts and length, so that few rows wait for the longest.

    Where batches are not `mixed`, all rows of one have the same experts.
    """
    remaining = sorted(routed, key=lambda pair: (_experts(pair[1]), len(pair[0].truth), pair[0].id))
    while remaining:
        batch = remaining[:size]
        if not mixed:
            experts = _experts(batch[0][1])
            batch = [pair for pair in batch if _experts(pair[1]) == experts]
        yield batch
        # Rows with other experts sort behind these, so the batch is always the beginning of what remains.
        remaining = remaining[len(batch) :]


def _answer_row(sample: Sample, route: Route | None, answer: ModelAnswer) -> AnswerRow:
    return AnswerRow(
        id=sample.id,
        split=sample.split,
        task=sample.task,
        image=sample.image,
        entity=sample.entity.key,
        question=sample.question,
        truth=sample.truth,
        response=answer.response,
        fact=sample.fact,
        phrasing=sample.phrasing,
        route=route,
        truth_probability=answer.truth_probability,
        probability_measured=answer.probability_measured,
        picture_kind=sample.picture_kind,
    )
