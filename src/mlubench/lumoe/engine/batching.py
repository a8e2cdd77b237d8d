"""Any number of questions, answered in batches as they come: one that fails fails alone, and none is lost."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Protocol

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.engine.looking_again import Reply
from mlubench.lumoe.gates.base import GateQuery
from mlubench.models.chat_template import History, adds_special_tokens
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query, TurnPicture
from mlubench.types import Route, SecondLook


class BatchEngine(Protocol):
    """What answers batches. LUMoE is one, and is built on this module, which therefore cannot import it."""

    mllm: MLLM

    def routes(self, queries: Sequence[GateQuery]) -> list[Route]: ...

    def passes(self, queries: Sequence[Query], routes: Sequence[Route]) -> list[list[int]]: ...

    def replies(
        self,
        queries: Sequence[Query],
        routes: Sequence[Route],
        *,
        max_new_tokens: int,
        stop: Callable[[], bool] | None = None,
    ) -> list[Reply]: ...


@dataclass(frozen=True, slots=True)
class AskRequest:
    """A question and what it is about."""

    # The caller's own, handed back with the answer.
    id: str
    # None for a question in words alone.
    image: Path | None
    question: str
    # The turns before it, as (question, answer).
    history: History = ()
    # As in Query: the turn in which the picture stands, and more pictures.
    image_turn: int = 0
    further: tuple[TurnPicture, ...] = ()

    @property
    def query(self) -> Query:
        return Query(self.image, self.question, self.history, self.image_turn, self.further)

    @property
    def gate_query(self) -> GateQuery:
        further = tuple(picture.path for picture in self.further)
        return GateQuery(self.image, self.question, history=self.history, further=further)


@dataclass(frozen=True, slots=True)
class RoutedAnswer:
    """What became of one request: a text, or an error in its place."""

    id: str
    # The request's place among those that were taken, from 0.
    number: int
    # None where there is an error.
    text: str | None
    # None where the error came before the gate was asked.
    route: Route | None
    error: MlubenchError | None = None
    # Why this is not what was first to be said; None where it is.
    second_look: SecondLook | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    """A request that has its route."""

    number: int
    request: AskRequest
    route: Route

    @property
    def length(self) -> int:
        """Characters of all that is asked: near enough to the number of tokens to sort by."""
        total = len(self.request.question)
        for question, answer in self.request.history:
            total += len(question) + len(answer)
        return total

    def answered(self, reply: Reply) -> RoutedAnswer:
        return RoutedAnswer(
            self.request.id, self.number, reply.text, self.route, second_look=reply.second_look
        )

    def failed(self, error: MlubenchError) -> RoutedAnswer:
        return RoutedAnswer(self.request.id, self.number, None, self.route, error)


def answer_all(
    engine: BatchEngine,
    requests: Iterable[AskRequest],
    *,
    max_new_tokens: int,
    batch: int = 32,
    ahead: int = 8,
    cancel: Event | None = None,
) -> Iterator[RoutedAnswer]:
    """One answer for every request that is taken, as soon as its batch is done; `number` brings them back in order.

    `ahead` batches of requests are taken at once and put together by length, so that few rows wait for longer ones.
    What is wrong with one request is the error of its own answer, and the others are answered: its picture is missing,
    broken or not taken by the model, it is too long, or its expert is disabled.
    A setting that is wrong for all requests is raised.
    Once `cancel` is set, generation stops at the next token, no more requests are taken, and those taken so far are
    answered by an error that says so. Closing the iterator ends it as well. Between two answers nothing is mounted.
    """
    cancelled = cancel if cancel is not None else Event()
    numbered = enumerate(requests)
    while not cancelled.is_set():
        taken = list(islice(numbered, batch * ahead))
        if not taken:
            return
        sound: list[tuple[int, AskRequest]] = []
        for number, request in taken:
            error = request_error(engine.mllm, request, max_new_tokens)
            if error is None:
                sound.append((number, request))
            else:
                yield RoutedAnswer(request.id, number, None, None, error)
        jobs = []
        for job in _routed(engine, sound):
            error = picture_error(engine.mllm, job.request, job.route)
            if error is None:
                jobs.append(job)
            else:
                yield job.failed(error)
        for jobs_of_batch in _batches(engine, jobs, batch):
            yield from _answers(engine, jobs_of_batch, max_new_tokens, cancelled)


def request_error(mllm: MLLM, request: AskRequest, max_new_tokens: int) -> MlubenchError | None:
    """What is wrong with a request in itself: a picture that cannot be read, a marker in its text, its length."""
    query = request.query
    try:
        for picture in query.pictures:
            mllm.picture(picture.path)
        text = mllm.prompt_of(query)
    except MlubenchError as error:
        return error
    special = adds_special_tokens(mllm.tokenizer, text)
    tokens = len(mllm.tokenizer(text, add_special_tokens=special)["input_ids"])
    # The picture's own tokens come on top. Where these are too many, the batch says so.
    if tokens + max_new_tokens > mllm.positions:
        return MlubenchError(
            f"the question takes {tokens:,} tokens, and {mllm.positions:,} are all there is for it and the answer",
            "Ask a shorter one.",
        )
    return None


def picture_error(mllm: MLLM, request: AskRequest, route: Route) -> MlubenchError | None:
    """Where the gate has failed over a picture that the model does not take, the error that says so.

    Otherwise the request would be refused as one that the gate could not place, and nobody would know why.
    """
    if not route.failed:
        return None
    try:
        for picture in request.query.pictures:
            mllm.require_picture(picture.path)
    except MlubenchError as error:
        return error
    return None


def _routed(engine: BatchEngine, numbered: Sequence[tuple[int, AskRequest]]) -> list[_Job]:
    if not numbered:
        return []
    queries = [request.gate_query for _, request in numbered]
    routes = engine.routes(queries)
    jobs = []
    for (number, request), route in zip(numbered, routes, strict=True):
        jobs.append(_Job(number, request, route))
    return jobs


def _batches(engine: BatchEngine, jobs: Sequence[_Job], size: int) -> Iterator[list[_Job]]:
    """Batches of jobs that can share a pass through the model, alike in length.

    All refused jobs are one batch, since no model is asked about them.
    """
    refused = [job for job in jobs if job.route.refused]
    if refused:
        yield refused
    remaining = [job for job in jobs if not job.route.refused]
    queries = [job.request.query for job in remaining]
    routes = [job.route for job in remaining]
    for rows in engine.passes(queries, routes):
        by_length = sorted(
            [remaining[row] for row in rows], key=lambda job: (job.length, job.number)
        )
        for start in range(0, len(by_length), size):
            yield by_length[start : start + size]


def _answers(
    engine: BatchEngine, jobs: Sequence[_Job], max_new_tokens: int, cancelled: Event
) -> Iterator[RoutedAnswer]:
    """The answers of a batch. Where it fails, its halves are asked, down to the one request whose error it is."""
    replies: list[Reply] = []
    try:
        if not cancelled.is_set():
            replies = engine.replies(
                [job.request.query for job in jobs],
                [job.route for job in jobs],
                max_new_tokens=max_new_tokens,
                stop=cancelled.is_set,
            )
    except MlubenchError as error:
        if len(jobs) == 1:
            yield jobs[0].failed(error)
            return
        middle = len(jobs) // 2
        yield from _answers(engine, jobs[:middle], max_new_tokens, cancelled)
        yield from _answers(engine, jobs[middle:], max_new_tokens, cancelled)
        return
    # Asked again after the pass: a cancel during it has cut the texts short.
    if cancelled.is_set():
        cut_short = MlubenchError("the request was cancelled", "Ask it again.")
        for job in jobs:
            yield job.failed(cut_short)
        return
    for job, reply in zip(jobs, replies, strict=True):
        yield job.answered(reply)
