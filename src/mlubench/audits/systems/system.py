"""A system that is attacked, and how it is asked, read, changed and trained."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TypeVar

import torch
from torch import Tensor

from mlubench.audits.attack import Ask, NothingToTrainOnError
from mlubench.audits.beginning import answers_behind
from mlubench.audits.probing import Probes, candidate_states
from mlubench.audits.reading import token_scores
from mlubench.audits.scores import TokenScores
from mlubench.audits.sites import Site
from mlubench.audits.systems.queries import query_of
from mlubench.audits.weights import answer_loss, batch_of, changed, trained
from mlubench.core.errors import MlubenchError
from mlubench.experiment.context import Context
from mlubench.experiment.learners.base import Base
from mlubench.experiment.learners.making import learner_for
from mlubench.models.adapters import mounted
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.runs.folder import BASE
from mlubench.types import Route, Sample, Split

# Answers that are read in one pass: the probabilities of a whole vocabulary are kept for each of their tokens.
READ_AT_ONCE = 32
Read = TypeVar("Read")


# Has a model read answers: one thing for each.
Reader = Callable[[MLLM, Sequence[Query], Sequence[str]], Sequence[Read]]


@dataclass(frozen=True, slots=True)
class Said:
    """What a system says to a query."""

    text: str
    # The experts that were asked; None for a system without a gate.
    experts: tuple[str, ...] | None = None
    # Why there is no answer.
    failed: str = ""


def behind_gate(text: str, route: Route) -> Said:
    """The text as what leaves behind a gate. What is refused since the gate failed says nothing of what it catches."""
    failed = route.why if route.failed and route.refused else ""
    return Said(text, route.experts, failed)


class System:
    """The base, or the archive of a baseline after the last task. Other systems inherit how they are asked."""

    def __init__(self, ctx: Context, name: str) -> None:
        self.ctx = ctx
        self.name = name
        # Whether the base answers alone at present.
        self.bare = False
        # The facts that targets ask for, which nothing may be trained on.
        self.targeted: frozenset[str] = frozenset()
        # What probes are trained on: kept facts that the base tells, each with candidates of which the first is right.
        self.lessons: Sequence[Ask] = ()
        self._probes: Probes | None = None

    def open(self, done: Sequence[str] | None = None) -> None:
        """Mount what the system needs after these tasks; after all where none are given.

        What another system had mounted is gone.
        """
        self._probes = None
        self._mount(list(self.ctx.order if done is None else done))

    def _mount(self, done: list[str]) -> None:
        learner = Base(self.ctx) if self.name == BASE else learner_for(self.name, self.ctx)
        learner.at(done)

    @contextmanager
    def unprotected(self) -> Iterator[None]:
        """Inside, the base answers alone: no adapter, no gate, no prompt."""
        self.bare = True
        try:
            with mounted(self.ctx.mllm, ()):
                yield
        finally:
            self.bare = False

    @contextmanager
    def with_weights(self, change: str) -> Iterator[None]:
        """Inside, all matrices of the model are changed as `weights.CHANGES` names it."""
        with changed(self._matrices(), change):
            yield

    @contextmanager
    def relearned(self, split: Split, facts: int, steps: int) -> Iterator[None]:
        """Inside, what adapters there are were trained for some steps on so many facts that no target asks for."""
        weights = self._adapters()
        if not weights:
            # Whoever holds the base needs no training.
            with self.unprotected():
                yield
            return
        lessons = self._relearned_from(split, facts)
        for tasks in self._trained_apart():
            if not any(lesson.task in tasks for lesson in lessons):
                raise NothingToTrainOnError(
                    f"no {split} fact of {' and '.join(tasks)} that no target asks for is left to train on",
                    "Ask about fewer facts (--facts).",
                )
        with trained(weights, lambda step: self._step_loss(lessons, step), steps):
            yield

    def _adapters(self) -> list[Tensor]:
        """The weights that were trained to forget."""
        return [
            weight for name, weight in self.ctx.mllm.model.named_parameters() if "lora_" in name
        ]

    def _trained_apart(self) -> list[Sequence[str]]:
        """The tasks whose facts train the same weights, for all weights that are trained."""
        return [self.ctx.order]

    def _relearned_from(self, split: Split, facts: int) -> list[Sample]:
        """A sample that trains of each of so many facts that no target asks for, dealt over tasks."""
        of_tasks = []
        for task in self.ctx.benchmark:
            by_fact: dict[str, Sample] = {}
            for sample in sorted(task.split(split), key=lambda sample: sample.id):
                if sample.trains and sample.image and sample.fact not in self.targeted:
                    by_fact.setdefault(sample.fact, sample)
            of_tasks.append([by_fact[fact] for fact in sorted(by_fact)])
        dealt = chain.from_iterable(zip_longest(*of_tasks))
        return [sample for sample in dealt if sample is not None][:facts]

    def _step_loss(self, lessons: Sequence[Sample], step: int) -> Tensor:
        """The loss of a step of relearning."""
        return self._loss_on(batch_of(lessons, step))

    def _loss_on(self, lessons: Sequence[Sample]) -> Tensor:
        queries = [Query(self.ctx.benchmark.picture(lesson), lesson.question) for lesson in lessons]
        return answer_loss(self.ctx.mllm, queries, [lesson.truth for lesson in lessons])

    def _matrices(self) -> list[Tensor]:
        """Every matrix of the model and of what is mounted on it."""
        return [weight for weight in self.ctx.mllm.model.parameters() if weight.ndim > 1]

    def answers(self, asks: Sequence[Ask]) -> list[Said]:
        """One answer a query, in order. A query that cannot be answered fails alone."""
        size = self.ctx.config.evaluate.batch
        found: dict[int, Said] = {}
        for rows in _batches(asks, size):
            said = self._one_by_one([asks[row] for row in rows])
            found |= dict(zip(rows, said, strict=True))
        return [found[row] for row in range(len(asks))]

    def readings(self, asks: Sequence[Ask]) -> list[list[TokenScores]]:
        """How the model reads the candidates of each query; none where no model answers it, or it cannot be read."""
        return self._candidates_read(asks, token_scores)

    def probed(self, asks: Sequence[Ask], site: Site) -> list[list[float]]:
        """How right a linear probe takes each candidate of each query to be; none where no model answers it.

        The probe is trained on the `lessons`, under this very system.
        """
        if self._probes is None:
            lessons = self._candidates_read(self.lessons, candidate_states)
            self._probes = Probes([torch.stack(lesson) for lesson in lessons if lesson])
        found = []
        for states in self._candidates_read(asks, candidate_states):
            found.append(self._probes.scores(torch.stack(states), site) if states else [])
        return found

    def _candidates_read(self, asks: Sequence[Ask], reader: Reader[Read]) -> list[list[Read]]:
        """What `reader` makes of the candidates of each query."""
        pairs = [(row, text) for row, ask in enumerate(asks) for text in ask.candidates]
        found: list[list[Read]] = [[] for _ in asks]
        for start in range(0, len(pairs), READ_AT_ONCE):
            batch = pairs[start : start + READ_AT_ONCE]
            of_batch = [asks[row] for row, _ in batch]
            read = self.read(of_batch, [text for _, text in batch], reader)
            for (row, _), of_text in zip(batch, read, strict=True):
                if of_text is not None:
                    found[row].append(of_text)
        return found

    def read(
        self, asks: Sequence[Ask], texts: Sequence[str], reader: Reader[Read]
    ) -> list[Read | None]:
        """What `reader` makes of each text as the answer to its query; None where a fixed sentence is the answer.

        All queries have a picture, or none has.
        """
        return [*reader(self.ctx.mllm, [self._asked(ask) for ask in asks], texts)]

    def _asked(self, ask: Ask) -> Query:
        """The query as it reaches the model."""
        return query_of(ask)

    def _one_by_one(self, asks: Sequence[Ask]) -> list[Said]:
        """The answers of a batch; where it cannot be answered, its halves are asked, down to the query at fault."""
        try:
            return self._bare_batch(asks) if self.bare else self._batch(asks)
        except MlubenchError as error:
            if len(asks) == 1:
                return [Said("", failed=error.what)]
            middle = len(asks) // 2
            return [*self._one_by_one(asks[:middle]), *self._one_by_one(asks[middle:])]

    def _bare_batch(self, asks: Sequence[Ask]) -> list[Said]:
        return [
            Said(text) for text in self._generate([query_of(ask) for ask in asks], asks[0].begun)
        ]

    def _batch(self, asks: Sequence[Ask]) -> list[Said]:
        """The answers to a batch, in which all have a picture or none, and all begin alike."""
        return self._bare_batch(asks)

    def _generate(self, queries: Sequence[Query], begun: str) -> list[str]:
        limit = self.ctx.config.evaluate.max_new_tokens
        return answers_behind(self.ctx.mllm, queries, begun, max_new_tokens=limit)


def _batches(asks: Sequence[Ask], size: int) -> Iterator[list[int]]:
    """Rows that can share a pass: all with a picture or none, with one beginning, alike in length."""
    groups: dict[tuple[bool, str], list[int]] = {}
    for row, ask in enumerate(asks):
        groups.setdefault((bool(ask.pictures), ask.begun), []).append(row)

    def length(row: int) -> int:
        turns = sum(len(question) + len(answer) for question, answer in asks[row].history)
        return turns + len(asks[row].question)

    for rows in groups.values():
        rows.sort(key=length)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]
