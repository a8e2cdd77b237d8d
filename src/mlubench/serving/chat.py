"""One chat completion, from the request to the answer."""

import asyncio
import logging
import re
import secrets
import tempfile
import time
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlubench.lumoe.engine.requests import (
    BusyError,
    CancelledError,
    Finished,
    OverdueError,
    Ticket,
    UnanswerableError,
    Wanted,
)
from mlubench.models.sampling import Sampling
from mlubench.serving.bodies import json_body
from mlubench.serving.dialogue import as_request
from mlubench.serving.failures import ApiError, too_many, wrong
from mlubench.serving.keys import Caller
from mlubench.serving.limits import Accounts, Limits
from mlubench.serving.metrics import Metrics
from mlubench.serving.pace import Pace
from mlubench.serving.pictures import save_picture
from mlubench.serving.replies import Reply
from mlubench.serving.wire import ChatRequest, chat_request

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

log = logging.getLogger(__name__)

# Admins who send it are told the route.
ROUTE_HEADER = "x-mlubench-route"


class BackEnd(Protocol):
    """What answers requests. It sends each through the gate, all of it; a gate that fails refuses.

    `lumoe.engine.continuous.ContinuousEngine` is one.
    """

    @property
    def running(self) -> int: ...

    @property
    def waiting(self) -> int: ...

    @property
    def alive(self) -> bool:
        """Whether requests are taken."""
        ...

    def submit(self, wanted: Wanted) -> Ticket:
        """Raises BusyError where no more are taken."""
        ...

    def close(self) -> None:
        """Answer what was taken, and end."""
        ...


@dataclass(eq=False)
class Chat:
    """The endpoint."""

    back_end: BackEnd
    # By which callers know it.
    model: str
    # Tokens of an answer at most.
    tokens: int
    limits: Limits
    metrics: Metrics
    # Where pictures lie while their request lasts.
    folder: Path
    accounts: Accounts
    pace: Pace

    async def __call__(self, request: "Request") -> "Response":
        caller: Caller = request.scope["caller"]
        arrived = time.perf_counter()
        told = self._may_see_route(request, caller)
        self.accounts.enter(caller)
        try:
            asked = chat_request(await json_body(request, self.limits))
            if asked.model != self.model:
                raise ApiError(
                    HTTPStatus.NOT_FOUND,
                    f"there is no such model; there is {self.model!r}",
                    "model_not_found",
                    "model",
                )
            reply_id = f"chatcmpl-{secrets.token_hex(12)}"
            with tempfile.TemporaryDirectory(prefix="request-", dir=self.folder) as folder:
                wanted = await self._wanted(reply_id, asked, Path(folder))
                finished = await self._finished(request, wanted)
        finally:
            self.accounts.leave(caller)
        taken = time.perf_counter() - arrived
        self._count(finished, taken)
        await asyncio.sleep(self.pace.seconds_more(finished, taken))
        reply = Reply(reply_id, int(time.time()), self.model, finished, told)
        return _response(reply, asked)

    def _may_see_route(self, request: "Request", caller: Caller) -> bool:
        if ROUTE_HEADER not in request.headers:
            return False
        if caller.scope != "admin":
            raise ApiError(
                HTTPStatus.FORBIDDEN, "only an admin's key is told the route", "not_allowed"
            )
        return True

    async def _wanted(self, reply_id: str, asked: ChatRequest, folder: Path) -> Wanted:
        save = partial(save_picture, folder=folder, limits=self.limits)
        # In a thread: pictures are decoded, which takes a while.
        request = await asyncio.to_thread(
            as_request,
            reply_id,
            asked.messages,
            self.limits,
            save,
        )
        sampling = Sampling(
            temperature=asked.temperature or 0.0,
            top_p=1.0 if asked.top_p is None else asked.top_p,
            seed=asked.seed,
        )
        tokens = min(asked.tokens or self.tokens, self.tokens)
        return Wanted(request, tokens, sampling, asked.stops, self.limits.seconds)

    async def _finished(self, request: "Request", wanted: Wanted) -> Finished:
        try:
            ticket = self.back_end.submit(wanted)
        except BusyError as error:
            raise too_many(str(error), "server_busy", 1) from None
        try:
            return await self._while_there(request, ticket)
        except UnanswerableError as error:
            raise wrong(self._without_files(str(error)), "messages") from None
        except OverdueError as error:
            raise ApiError(HTTPStatus.GATEWAY_TIMEOUT, str(error), "timeout") from None
        finally:
            ticket.cancel()

    def _without_files(self, message: str) -> str:
        """The message with the number of a picture in place of its file."""
        file = re.escape(str(self.folder)) + r"\S*?(\d+)(?=\s)"
        return re.sub(file, lambda found: str(int(found[1]) + 1), message)

    async def _while_there(self, request: "Request", ticket: Ticket) -> Finished:
        """The answer, unless the caller leaves before."""
        answer: Future[Finished] = ticket.answer
        waiting = asyncio.ensure_future(asyncio.wrap_future(answer))
        leaving = asyncio.ensure_future(_left(request))
        try:
            either: list[asyncio.Future[Any]] = [waiting, leaving]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                ticket.cancel()
                self.metrics.left.inc()
            return await waiting
        except CancelledError:
            # Nobody reads it.
            raise ApiError(HTTPStatus.REQUEST_TIMEOUT, "the caller has left", "left") from None
        finally:
            leaving.cancel()

    def _count(self, finished: Finished, seconds: float) -> None:
        self.metrics.seconds.observe(seconds)
        self.metrics.prompt_tokens.inc(finished.prompt_tokens)
        self.metrics.answer_tokens.inc(finished.answer_tokens)
        if finished.has_failed:
            self.metrics.faults.inc()


async def _left(request: "Request") -> None:
    """Returns once the caller has left. The request's body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _response(reply: Reply, asked: ChatRequest) -> "Response":
    from starlette.responses import JSONResponse, StreamingResponse

    headers = {"Cache-Control": "no-store"}
    if not asked.stream:
        return JSONResponse(reply.whole(), headers=headers)
    options = asked.stream_options
    events = reply.stream(usage=options is not None and options.include_usage)
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)
