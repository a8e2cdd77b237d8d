"""Deletion requests over the server, for admins: what `mlubench request` does from the command line.

What changes a gate is done between two answers, by the thread that answers: nothing runs meanwhile, and the next caller is
answered by what counts then.
"""

import asyncio
import copy
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import TypedDict

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.requests.desk import Desk
from mlubench.requests.evidence import write_evidence
from mlubench.requests.queue import DeletionRequest, UnknownRequestError
from mlubench.requests.states import StateError
from mlubench.requests.submission import Answered, entity_of, look_through
from mlubench.serving.bodies import json_body
from mlubench.serving.failures import ApiError, wrong
from mlubench.serving.keys import Caller
from mlubench.serving.limits import Limits
from mlubench.serving.openapi import Operation
from mlubench.serving.pictures import save_picture

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

T = TypeVar("T")
Step = Callable[[Desk], DeletionRequest]
ADDRESS = "/".join(("", "admin", "requests"))
# Pictures of one request at most.
_MOST_PICTURES = 200


class BetweenAnswers(Protocol):
    """What has something done while no answer is being made. `lumoe.engine.continuous.ContinuousEngine` is one."""

    def between(self, work: Callable[[], T]) -> "Future[T]": ...


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewRequest(_Strict):
    """A request that is sent in."""

    entity: Annotated[str, Field(min_length=1, max_length=200)]
    # Of what kind it is, as the kept set names it; questions go by it.
    kind: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    # Data URIs.
    pictures: Annotated[list[str], Field(min_length=1, max_length=_MOST_PICTURES)]
    answers: list[Answered] = []
    aliases: list[Annotated[str, Field(min_length=1, max_length=200)]] = []
    # Two requests of one key are one.
    key: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class Reason(_Strict):
    """Why something is done."""

    why: Annotated[str, Field(max_length=2000)] = ""


class Rows(TypedDict):
    requests: list[DeletionRequest]


@dataclass(eq=False)
class DeletionPages:
    """The endpoints."""

    desk: Desk
    back_end: BetweenAnswers
    limits: Limits
    # Where pictures lie until they are taken in.
    folder: Path

    def routes(self) -> "list[Route]":
        from starlette.routing import Route

        one = f"{ADDRESS}/{{request}}"
        return [
            Route(ADDRESS, self.list, methods=["GET"]),
            Route(ADDRESS, self.submit, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(f"{one}/approve", self.approve, methods=["POST"]),
            Route(f"{one}/reject", self.reject, methods=["POST"]),
            Route(f"{one}/revert", self.revert, methods=["POST"]),
            Route(f"{one}/evidence", self.evidence, methods=["GET"]),
        ]

    async def list(self, request: "Request") -> "Response":
        desk = self._desk_of(request)
        rows = await _told(desk.queue.all)
        return _json({"requests": [asdict(row) for row in rows]})

    async def submit(self, request: "Request") -> "Response":
        desk = self._desk_of(request)
        asked = _read(NewRequest, await json_body(request, self.limits))
        row, is_new = await _told(partial(self._take, desk, asked))
        status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
        return _json(asdict(row), status)

    def _take(self, desk: Desk, asked: NewRequest) -> tuple[DeletionRequest, bool]:
        with tempfile.TemporaryDirectory(prefix="deletion-", dir=self.folder) as folder:
            for number, address in enumerate(asked.pictures):
                path = save_picture(address, number, folder=Path(folder), limits=self.limits)
                # What it is stands in its first bytes; the ending only says that it is a picture.
                path.rename(path.with_name(f"{number + 1:04d}.jpg"))
            submission = look_through(
                entity_of(asked.entity, asked.kind),
                Path(folder),
                answers=asked.answers,
                aliases=asked.aliases,
                fewest=desk.place.settings.fewest_pictures,
            )
            return desk.take(submission, asked.key)

    async def show(self, request: "Request") -> "Response":
        desk = self._desk_of(request)
        row = await _told(partial(desk.queue.get, request.path_params["request"]))
        return _json(asdict(row))

    async def approve(self, request: "Request") -> "Response":
        name = request.path_params["request"]
        _read(Reason, await json_body(request, self.limits))
        return await self._between(request, lambda desk: desk.approve(name))

    async def revert(self, request: "Request") -> "Response":
        name = request.path_params["request"]
        reason = _read(Reason, await json_body(request, self.limits))
        return await self._between(request, lambda desk: desk.revert(name, reason.why))

    async def reject(self, request: "Request") -> "Response":
        desk = self._desk_of(request)
        reason = _read(Reason, await json_body(request, self.limits))
        name = request.path_params["request"]
        row = await _told(lambda: desk.reject(name, reason.why))
        return _json(asdict(row))

    async def evidence(self, request: "Request") -> "Response":
        from starlette.responses import Response

        desk = self._desk_of(request)
        row = await _told(partial(desk.queue.get, request.path_params["request"]))
        content = await _told(lambda: self._bundle(desk, row))
        named = {"Content-Disposition": f'attachment; filename="{row.id}.zip"'}
        return Response(content, media_type="application/zip", headers=named)

    def _bundle(self, desk: Desk, row: DeletionRequest) -> bytes:
        with tempfile.TemporaryDirectory(prefix="evidence-", dir=self.folder) as folder:
            file = Path(folder) / "evidence.zip"
            write_evidence(desk.queue, row, file)
            return file.read_bytes()

    def _desk_of(self, request: "Request") -> Desk:
        """The desk, at which the caller does what is done. Raises ApiError for whoever is no admin."""
        caller: Caller = request.scope["caller"]
        if caller.scope != "admin":
            raise ApiError(HTTPStatus.FORBIDDEN, "this needs an admin's key", "not_allowed")
        desk = copy.copy(self.desk)
        desk.actor = caller.name
        return desk

    async def _between(self, request: "Request", step: Step) -> "Response":
        desk = self._desk_of(request)
        # Shielded, so that what was begun ends also where the caller has left.
        work = asyncio.wrap_future(self.back_end.between(lambda: step(desk)))
        return _json(asdict(await _translated(asyncio.shield(work))))


async def _told(work: Callable[[], T]) -> T:
    """What the work says, in a thread: it reads files and a database."""
    return await _translated(asyncio.to_thread(work))


async def _translated(work: Awaitable[T]) -> T:
    """Errors as an API tells them."""
    try:
        return await work
    except UnknownRequestError as error:
        raise ApiError(HTTPStatus.NOT_FOUND, str(error), "not_found") from None
    except StateError as error:
        raise ApiError(HTTPStatus.CONFLICT, str(error), "conflict") from None
    except UsageError as error:
        raise wrong(str(error)) from None
    except MlubenchError as error:
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), "unavailable") from None


M = TypeVar("M", bound=BaseModel)


def _read(model: type[M], body: bytes) -> M:
    """The body's content. Raises ApiError that names the field."""
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = f"{place}: {first['msg']}" if place else first["msg"]
        raise wrong(message, place or None) from None


def _json(content: object, status: int = HTTPStatus.OK) -> "Response":
    from starlette.responses import JSONResponse

    return JSONResponse(content, status)


def operations() -> Sequence[Operation]:
    """What the API document says of it."""
    one = f"{ADDRESS}/{{request}}"
    name = {"request": "Its id."}
    missing = (HTTPStatus.NOT_FOUND,)
    return (
        Operation(ADDRESS, "get", "All deletion requests.", answer=Rows),
        Operation(
            ADDRESS,
            "post",
            "Send a deletion request in. Nothing is in effect before it is approved.",
            answer=DeletionRequest,
            body=NewRequest,
            errors=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        ),
        Operation(
            one,
            "get",
            "One request.",
            answer=DeletionRequest,
            errors=missing,
            parameters=name,
        ),
        _step("approve", "From here on the gate refuses it."),
        _step("reject", "Turn it down."),
        _step("revert", "Take it out again."),
        Operation(
            f"{one}/evidence",
            "get",
            "What was done about it, signed.",
            media="application/zip",
            errors=missing,
            parameters=name,
        ),
    )


def _step(verb: str, summary: str) -> Operation:
    """What moves a request on."""
    return Operation(
        f"{ADDRESS}/{{request}}/{verb}",
        "post",
        summary,
        answer=DeletionRequest,
        body=Reason,
        errors=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        parameters={"request": "Its id."},
    )
