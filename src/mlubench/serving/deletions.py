"""Deletion requests over the server's API, for admins: what `mlubench request` does from the command line."""

import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import TypedDict

from mlubench.core.errors import MlubenchError
from mlubench.requests.desk import Desk
from mlubench.requests.preview import Preview
from mlubench.requests.queue import DeletionRequest
from mlubench.requests.submission import Answered, entity_of, look_through
from mlubench.serving.bodies import json_body
from mlubench.serving.failures import wrong
from mlubench.serving.limits import Limits
from mlubench.serving.openapi import Operation
from mlubench.serving.pictures import save_picture
from mlubench.serving.served_desk import ServedDesk, api_error

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

T = TypeVar("T")
ADDRESS = "/".join(("", "admin", "requests"))
# Pictures of one request at most.
_MOST_PICTURES = 200
# Of whatever comes with a body, and of a disk that is full or a database that is away.
_BODY_ERRORS = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


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

    served: ServedDesk
    limits: Limits

    def routes(self) -> "list[Route]":
        from starlette.routing import Route

        one = f"{ADDRESS}/{{request}}"
        return [
            Route(ADDRESS, self.list, methods=["GET"]),
            Route(ADDRESS, self.submit, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(f"{one}/preview", self.preview, methods=["GET"]),
            Route(f"{one}/approve", self.approve, methods=["POST"]),
            Route(f"{one}/reject", self.reject, methods=["POST"]),
            Route(f"{one}/revert", self.revert, methods=["POST"]),
            Route(f"{one}/forget", self.forget, methods=["POST"]),
            Route(f"{one}/evidence", self.evidence, methods=["GET"]),
        ]

    async def list(self, request: "Request") -> "Response":
        rows = await self._read(request, lambda desk: desk.queue.all())
        return _json({"requests": [asdict(row) for row in rows]})

    async def submit(self, request: "Request") -> "Response":
        asked = _read(NewRequest, await json_body(request, self.limits))
        row, is_new = await self._read(request, partial(self._take, asked=asked))
        status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
        return _json(asdict(row), status)

    def _take(self, desk: Desk, asked: NewRequest) -> tuple[DeletionRequest, bool]:
        scratch = self.served.folder
        with tempfile.TemporaryDirectory(prefix="deletion-", dir=scratch) as folder:
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
        name = _named(request)
        return _json(asdict(await self._read(request, lambda desk: desk.queue.get(name))))

    async def preview(self, request: "Request") -> "Response":
        name = _named(request)
        found = await self._between(request, lambda desk: desk.preview(name))
        return _json(found.model_dump(mode="json"))

    async def approve(self, request: "Request") -> "Response":
        name = _named(request)
        reason = await self._reason(request)
        row = await self._between(request, lambda desk: desk.approve(name, reason.why))
        return _json(asdict(row))

    async def revert(self, request: "Request") -> "Response":
        name = _named(request)
        reason = await self._reason(request)
        row = await self._between(request, lambda desk: desk.revert(name, reason.why))
        return _json(asdict(row))

    async def reject(self, request: "Request") -> "Response":
        name = _named(request)
        reason = await self._reason(request)
        row = await self._read(request, lambda desk: desk.reject(name, reason.why))
        return _json(asdict(row))

    async def forget(self, request: "Request") -> "Response":
        name = _named(request)
        await self._reason(request)
        return _json(asdict(await self._read(request, lambda desk: desk.forget(name))))

    async def evidence(self, request: "Request") -> "Response":
        from starlette.responses import Response

        caller = request.scope["caller"]
        name, content = await _translated(self.served.evidence(caller, _named(request)))
        named = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
        return Response(content, media_type="application/zip", headers=named)

    async def _reason(self, request: "Request") -> Reason:
        return _read(Reason, await json_body(request, self.limits))

    async def _read(self, request: "Request", work: Callable[[Desk], T]) -> T:
        return await _translated(self.served.read(request.scope["caller"], work))

    async def _between(self, request: "Request", work: Callable[[Desk], T]) -> T:
        return await _translated(self.served.between(request.scope["caller"], work))


def _named(request: "Request") -> str:
    """The id in the address."""
    name: str = request.path_params["request"]
    return name


async def _translated(work: Awaitable[T]) -> T:
    """Errors as an API tells them."""
    try:
        return await work
    except MlubenchError as error:
        raise api_error(error) from None


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
    missing = (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE)
    return (
        Operation(
            ADDRESS,
            "get",
            "All deletion requests.",
            answer=Rows,
            errors=(HTTPStatus.SERVICE_UNAVAILABLE,),
        ),
        Operation(
            ADDRESS,
            "post",
            "Send a deletion request in. Nothing is in effect before it is approved.",
            answer=DeletionRequest,
            body=NewRequest,
            errors=_BODY_ERRORS,
        ),
        Operation(
            one,
            "get",
            "One request.",
            answer=DeletionRequest,
            errors=missing,
            parameters=name,
        ),
        Operation(
            f"{one}/preview",
            "get",
            "What the gate would do about it if it were approved. Answers wait meanwhile.",
            answer=Preview,
            errors=(*missing, HTTPStatus.CONFLICT),
            parameters=name,
        ),
        _step("approve", "From here on the gate refuses it."),
        _step("reject", "Turn it down."),
        _step("revert", "Take it out again."),
        _step("forget", "Delete what was sent, and the names, once it has ended."),
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
        errors=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, *_BODY_ERRORS),
        parameters={"request": "Its id."},
    )
