"""What is attacked: the base, a method's last archive, LUMoE as it is served, and what it is held against."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import TypeVar

import torch
from torch import Tensor

from mlubench.audits.attack import Ask
from mlubench.audits.beginning import answers_behind
from mlubench.audits.oracle.bases import on_base, oracle_base
from mlubench.audits.probing import Probes, candidate_states
from mlubench.audits.reading import token_scores
from mlubench.audits.scores import TokenScores
from mlubench.audits.sites import Site
from mlubench.audits.weights import answer_loss, batch_of, changed, trained
from mlubench.core.errors import MlubenchError
from mlubench.experiment.context import Context
from mlubench.experiment.learners.base import Base
from mlubench.experiment.learners.lumoe import LumoeLearner
from mlubench.experiment.learners.making import learner_for
from mlubench.experiment.learners.prompted import prompt_against
from mlubench.experiment.prepare import open_benchmark
from mlubench.experiment.training_free import gate_after, looks_of
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL
from mlubench.lumoe.engine.router import route_all
from mlubench.lumoe.gates.base import GateQuery
from mlubench.models.adapters import add_adapter, mounted
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query, TurnPicture
from mlubench.runs.folder import BASE, GATE_ONLY, ORACLE, PROMPT_ONLY, TRAINING_FREE
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
        with trained(weights, lambda step: self._lesson_loss(lessons, step), steps):
            yield

    def _adapters(self) -> list[Tensor]:
        """The weights that were trained to forget."""
        return [
            weight for name, weight in self.ctx.mllm.model.named_parameters() if "lora_" in name
        ]

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

    def _lesson_loss(self, lessons: Sequence[Sample], step: int) -> Tensor:
        """The loss of a step of relearning."""
        batch = batch_of(lessons, step)
        queries = [Query(self.ctx.benchmark.picture(sample), sample.question) for sample in batch]
        return answer_loss(self.ctx.mllm, queries, [sample.truth for sample in batch])

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
        return _query(ask)

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
        return [Said(text) for text in self._generate([_query(ask) for ask in asks], asks[0].begun)]

    def _batch(self, asks: Sequence[Ask]) -> list[Said]:
        """The answers to a batch, in which all have a picture or none, and all begin alike."""
        return self._bare_batch(asks)

    def _generate(self, queries: Sequence[Query], begun: str) -> list[str]:
        limit = self.ctx.config.evaluate.max_new_tokens
        return answers_behind(self.ctx.mllm, queries, begun, max_new_tokens=limit)


class OracleSystem(System):
    """The base taught again without what is forgotten. Nothing protects it: it has nothing to tell.

    A fresh adapter is mounted, of the size that methods train, so that it can be taught what it never knew.
    """

    def _mount(self, done: list[str]) -> None:
        folder = oracle_base(self.ctx.config, open_benchmark(self.ctx.config), done)
        self.ctx = on_base(self.ctx, folder)
        train = self.ctx.config.train
        add_adapter(self.ctx.mllm, ORACLE, train.lora, train.scope, seed=self.ctx.config.seed)


class PromptedSystem(System):
    """The base with a prompt that lists what to decline, before the first turn."""

    def _mount(self, done: list[str]) -> None:
        Base(self.ctx).at([])
        self.prompt = prompt_against([self.ctx.benchmark.task(name) for name in done])

    def _batch(self, asks: Sequence[Ask]) -> list[Said]:
        queries = [self._asked(ask) for ask in asks]
        return [Said(text) for text in self._generate(queries, asks[0].begun)]

    def _asked(self, ask: Ask) -> Query:
        return _query(_prompted(ask, self.prompt))


class TrainingFreeSystem(System):
    """The base behind a gate that nothing was trained for, with one fixed sentence for what the gate stops."""

    def _mount(self, done: list[str]) -> None:
        Base(self.ctx).at([])
        self.looks = looks_of(self.ctx)
        self.gate = gate_after(self.ctx, done, self.looks)

    def _batch(self, asks: Sequence[Ask]) -> list[Said]:
        routes = self._routes(asks)
        said = [Said(GATE_REFUSAL, route.experts) for route in routes]
        rows = [row for row, route in enumerate(routes) if not _is_stopped(route)]
        if rows:
            texts = self._generate([_query(asks[row]) for row in rows], asks[0].begun)
            for row, text in zip(rows, texts, strict=True):
                said[row] = Said(text, ())
        return said

    def read(
        self, asks: Sequence[Ask], texts: Sequence[str], reader: Reader[Read]
    ) -> list[Read | None]:
        found: list[Read | None] = [None] * len(asks)
        rows = [row for row, route in enumerate(self._routes(asks)) if not _is_stopped(route)]
        if rows:
            queries = [_query(asks[row]) for row in rows]
            read = reader(self.ctx.mllm, queries, [texts[row] for row in rows])
            for row, of_row in zip(rows, read, strict=True):
                found[row] = of_row
        return found

    def _routes(self, asks: Sequence[Ask]) -> list[Route]:
        queries = [_gate_query(ask) for ask in asks]
        return route_all(self.gate, queries, self.looks, self.ctx.config.gates.on_error)


def _is_stopped(route: Route) -> bool:
    """Whether no model answers behind a gate without experts."""
    return bool(route.experts) or route.refused


class LumoeSystem(System):
    """LUMoE as it is served: gate, experts and second look."""

    # Whether experts say what they say, without the second look.
    experts_alone = False

    def _mount(self, done: list[str]) -> None:
        learner = LumoeLearner(self.ctx)
        learner.at(done)
        self.engine = learner.engine

    def _matrices(self) -> list[Tensor]:
        """The experts' too."""
        experts = [self.engine.experts.matrix(name).values for name in self.engine.experts]
        return [*super()._matrices(), *experts]

    @contextmanager
    def relearned(self, split: Split, facts: int, steps: int) -> Iterator[None]:
        """Inside, each expert was trained for so many steps on facts of its task. The second look is left out."""
        experts = len(list(self.engine.experts))
        self.experts_alone = True
        try:
            with super().relearned(split, facts, steps * experts):
                yield
        finally:
            self.experts_alone = False

    def _adapters(self) -> list[Tensor]:
        return [self.engine.experts.matrix(name).values for name in self.engine.experts]

    def _lesson_loss(self, lessons: Sequence[Sample], step: int) -> Tensor:
        """One expert learns in a step, from the lessons of its task."""
        by_task: dict[str, list[Sample]] = {}
        for sample in lessons:
            by_task.setdefault(sample.task, []).append(sample)
        tasks = sorted(by_task)
        task = tasks[step % len(tasks)]
        of_task = by_task[task]
        own = Route((self.engine.expert_for[task],), None, 1.0, "relearning")
        with self.engine.answering([own] * len(batch_of(of_task, step // len(tasks)))):
            return super()._lesson_loss(of_task, step // len(tasks))

    def _batch(self, asks: Sequence[Ask]) -> list[Said]:
        queries = [_query(ask) for ask in asks]
        routes = self.engine.routes([_gate_query(ask) for ask in asks])
        drafts = self._drafts(queries, routes, asks[0].begun)
        if self.experts_alone:
            pairs = zip(drafts, routes, strict=True)
            return [Said(draft, route.experts) for draft, route in pairs]
        limit = self.ctx.config.evaluate.max_new_tokens
        replies = self.engine.leaving(queries, routes, drafts, max_new_tokens=limit)
        said = []
        for reply, route in zip(replies, routes, strict=True):
            said.append(Said(reply.text, route.experts))
        return said

    def read(
        self, asks: Sequence[Ask], texts: Sequence[str], reader: Reader[Read]
    ) -> list[Read | None]:
        routes = self._routes_to_models(asks)
        queries = [_query(ask) for ask in asks]
        found: list[Read | None] = [None] * len(asks)
        for rows in self.engine.passes(queries, routes):
            with self.engine.answering([routes[row] for row in rows]):
                read = reader(
                    self.ctx.mllm, [queries[row] for row in rows], [texts[row] for row in rows]
                )
            for row, of_row in zip(rows, read, strict=True):
                found[row] = of_row
        return found

    def _routes_to_models(self, asks: Sequence[Ask]) -> list[Route]:
        """The routes of queries; refused where no model answers."""
        return self.engine.routes([_gate_query(ask) for ask in asks])

    def _drafts(self, queries: Sequence[Query], routes: Sequence[Route], begun: str) -> list[str]:
        drafts = [GATE_REFUSAL] * len(queries)
        for rows in self.engine.passes(queries, routes):
            with self.engine.answering([routes[row] for row in rows]):
                texts = self._generate([queries[row] for row in rows], begun)
            for row, text in zip(rows, texts, strict=True):
                drafts[row] = text
        return drafts


class GateOnlySystem(LumoeSystem):
    """LUMoE's gate and second look, with one fixed sentence in the place of every expert."""

    def _adapters(self) -> list[Tensor]:
        return []

    def _batch(self, asks: Sequence[Ask]) -> list[Said]:
        queries = [_query(ask) for ask in asks]
        routes = self.engine.routes([_gate_query(ask) for ask in asks])
        said = [Said(GATE_REFUSAL, route.experts) for route in routes]
        rows = [row for row, route in enumerate(routes) if not route.experts and not route.refused]
        to_base = [routes[row] for row in rows]
        asked = [queries[row] for row in rows]
        drafts = self._drafts(asked, to_base, asks[0].begun)
        looks = self.engine.second_looks(asked, drafts, to_base)
        for row, draft, look in zip(rows, drafts, looks, strict=True):
            if look is None:
                said[row] = Said(draft, ())
        return said

    def _routes_to_models(self, asks: Sequence[Ask]) -> list[Route]:
        """Where an expert would answer, a sentence does, and no probability can be read."""
        routes = super()._routes_to_models(asks)
        return [replace(route, refused=True) if route.experts else route for route in routes]


_OTHERS: dict[str, Callable[[Context, str], System]] = {
    "lumoe": LumoeSystem,
    ORACLE: OracleSystem,
    GATE_ONLY: GateOnlySystem,
    PROMPT_ONLY: PromptedSystem,
    TRAINING_FREE: TrainingFreeSystem,
}


def system(ctx: Context, name: str) -> System:
    """The system of that name. It is opened before it is asked, and each opening closes the one before."""
    return _OTHERS.get(name, System)(ctx, name)


def _query(ask: Ask) -> Query:
    if not ask.pictures:
        return Query(None, ask.question, ask.history)
    (turn, first), *further = ask.pictures
    more = tuple(TurnPicture(turn, path) for turn, path in further)
    return Query(first, ask.question, ask.history, image_turn=turn, further=more)


def _gate_query(ask: Ask) -> GateQuery:
    """A gate reads the beginning of an answer too, as behind the server."""
    paths = [path for _, path in ask.pictures]
    text = f"{ask.question}\n{ask.begun}" if ask.begun else ask.question
    return GateQuery(
        paths[0] if paths else None, text, history=ask.history, further=tuple(paths[1:])
    )


def _prompted(ask: Ask, prompt: str) -> Ask:
    """The query with the prompt before its first turn."""
    if not ask.history:
        return Ask(prompt + ask.question, ask.pictures, begun=ask.begun)
    (question, answer), *later = ask.history
    history = ((prompt + question, answer), *later)
    return Ask(ask.question, ask.pictures, history, begun=ask.begun)


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
