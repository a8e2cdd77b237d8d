"""Any number of requests, answered in batches as they come: a request that fails fails alone, and none is lost."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.gates.base import GateQuery
from mlubench.models.chat_template import History, adds_special_tokens
from mlubench.models.mllm import MLLM, Query
from mlubench.types import Route

if TYPE_CHECKING:
    from mlubench.lumoe.engine.lumoe import LUMoE


@dataclass(frozen=True, slots=True)
class Request:
    """A question and what it is about. `id` is the caller's own, and is handed back with the answer."""

    id: str
    image: Path | None
    question: str
    history: History = ()

    @property
    def query(self) -> Query:
        return Query(self.image, self.question, self.history)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of the request that was taken as number `number`, counted from 0: a text, or an error in its place.

    `route` is None where the error came before the gate was asked.
    """

    id: str
    number: int
    text: str | None
    route: Route | None
    error: MlubenchError | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    number: int
    request: Request
    route: Route | None = None

    def answered(self, text: str) -> Answer:
        return Answer(self.request.id, self.number, text, self.route)

    def failed(self, error: MlubenchError) -> Answer:
        return Answer(self.request.id, self.number, None, self.route, error)


def answer_all(
    lumoe: "LUMoE",
    requests: Iterable[Request],
    *,
    max_new_tokens: int,
    batch: int = 32,
    ahead: int = 8,
    cancel: Event | None = None,
) -> Iterator[Answer]:
    """One answer for every request that is taken, as soon as its batch is done; `number` brings them back in order.

    `ahead` batches of requests are taken at once and put together by length, so that few rows wait for longer ones. What is
    wrong with one request (its picture, its length, an expert that is disabled) is its own answer's error; a setting that
    is wrong for all is raised. Once `cancel` is set, generation stops at the next token, the requests taken so far are
    answered by an error that says so, and no more are taken. Closing the iterator ends it as well; between two answers
    nothing is mounted.
    """
    cancelled = cancel or Event()
    numbered = (_Job(n, request) for n, request in enumerate(requests))
    while not cancelled.is_set() and (taken := list(islice(numbered, batch * ahead))):
        jobs: list[_Job] = []
        for job in taken:
            error = _wrong(lumoe.mllm, job.request, max_new_tokens)
            if error is None:
                jobs.append(job)
            else:
                yield job.failed(error)
        for chunk in _chunks(lumoe, _routed(lumoe, jobs), batch):
            yield from _answers(lumoe, chunk, max_new_tokens, cancelled)


def _wrong(mllm: MLLM, request: Request, max_new_tokens: int) -> MlubenchError | None:
    """What is wrong with a request in itself: a picture that cannot be read, a marker in its text, its length."""
    try:
        if request.image is not None:
            mllm.picture(request.image)
        text = mllm.prompt(
            request.question, with_image=request.image is not None, history=request.history
        )
    except MlubenchError as error:
        return error
    # The picture's own tokens come on top: where these are too many, the batch says so.
    tokens = len(
        mllm.tokenizer(text, add_special_tokens=adds_special_tokens(mllm.tokenizer, text))[
            "input_ids"
        ]
    )
    if tokens + max_new_tokens > mllm.positions:
        return MlubenchError(
            f"the question takes {tokens:,} tokens, and {mllm.positions:,} are all there is for it and the answer",
            "Ask a shorter one.",
        )
    return None


def _routed(lumoe: "LUMoE", jobs: Sequence[_Job]) -> list[_Job]:
    routes = (
        lumoe.routes([GateQuery(job.request.image, job.request.question) for job in jobs])
        if jobs
        else []
    )
    return [_Job(job.number, job.request, route) for job, route in zip(jobs, routes, strict=True)]


def _chunks(lumoe: "LUMoE", jobs: Sequence[_Job], size: int) -> Iterator[list[_Job]]:
    """Batches of requests that can share a pass, alike in length."""

    def length(job: _Job) -> int:
        return sum(
            map(
                len,
                (job.request.question, *(text for turn in job.request.history for text in turn)),
            )
        )

    refused = [job for job in jobs if job.route is None or job.route.refused]
    if refused:
        yield refused
    rows = [job for job in jobs if job.route is not None and not job.route.refused]
    for same in lumoe.passes(
        [job.request.query for job in rows], [job.route for job in rows if job.route]
    ):
        fitting = sorted((rows[n] for n in same), key=lambda job: (length(job), job.number))
        for start in range(0, len(fitting), size):
            yield fitting[start : start + size]


def _answers(
    lumoe: "LUMoE", jobs: Sequence[_Job], max_new_tokens: int, cancelled: Event
) -> Iterator[Answer]:
    """Of a batch. Where it cannot be answered, its halves are, down to the one request whose error it is."""
    try:
        texts: list[str] = (
            [] if cancelled.is_set() else _texts(lumoe, jobs, max_new_tokens, cancelled)
        )
    except MlubenchError as error:
        if len(jobs) == 1:
            yield jobs[0].failed(error)
            return
        for half in (jobs[: len(jobs) // 2], jobs[len(jobs) // 2 :]):
            yield from _answers(lumoe, half, max_new_tokens, cancelled)
        return
    if cancelled.is_set():  # texts may be cut short
        cut = MlubenchError("the request was cancelled", "Ask it again.")
        yield from (job.failed(cut) for job in jobs)
        return
    yield from (job.answered(text) for job, text in zip(jobs, texts, strict=True))


def _texts(
    lumoe: "LUMoE", jobs: Sequence[_Job], max_new_tokens: int, cancelled: Event
) -> list[str]:
    routes = [job.route for job in jobs if job.route is not None]
    queries = [job.request.query for job in jobs]
    return lumoe.generate(queries, routes, max_new_tokens=max_new_tokens, stop=cancelled.is_set)
