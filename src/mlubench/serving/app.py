"""The application: its routes, and who may call which."""

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from mlubench.core.errors import UsageError
from mlubench.serving import openapi
from mlubench.serving.chat import BackEnd, Chat
from mlubench.serving.doors import Doors
from mlubench.serving.failures import ApiError
from mlubench.serving.keys import Keys
from mlubench.serving.limits import Accounts, Limits
from mlubench.serving.pace import Pace
from mlubench.serving.sessions import Sessions

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mlubench.requests.desk import Desk
    from mlubench.serving.metrics import Metrics

log = logging.getLogger(__name__)

MISSING = UsageError(
    "a package that the server needs is missing", "Run: pip install 'mlubench[serve]'."
)


def make_app(
    back_end: BackEnd,
    *,
    model: str,
    tokens: int,
    keys: Keys | None = None,
    hosts: Collection[str] = (),
    limits: Limits | None = None,
    desk: "Desk | None" = None,
) -> "Starlette":
    """The ASGI application around a back end, which it closes when it ends.

    `model` is the name by which callers know it, `tokens` the longest answer. Without `keys` anybody may ask, and
    without `hosts` by any name: see `server.py`, which lets no such server be reached from elsewhere.
    With a `desk` admins may also send in, approve and revert deletion requests; its back end must have `between`.
    Raises UsageError where a package is missing.
    """
    try:
        from starlette.applications import Starlette
        from starlette.exceptions import HTTPException
        from starlette.middleware import Middleware
        from starlette.routing import Mount, Route

        from mlubench.serving.metrics import Metrics
    except ImportError:
        raise MISSING from None

    limits = limits or Limits()
    metrics = Metrics()
    accounts = Accounts(limits)
    metrics.watch("running", "Requests that are being answered.", lambda: back_end.running)
    metrics.watch("waiting", "Requests that wait.", lambda: back_end.waiting)
    folder = Path(tempfile.mkdtemp(prefix="mlubench-serve-"))
    sessions = Sessions(keys) if desk is not None and keys is not None else None
    for_admins = _deletion_routes(desk, back_end, limits, folder, sessions)
    pages = _Pages(back_end, model, metrics, with_deletions=desk is not None)
    tokens = min(tokens, limits.tokens) if limits.tokens is not None else tokens
    pace = Pace(limits.step)
    chat = Chat(back_end, model, tokens, limits, metrics, folder, accounts, pace)

    @asynccontextmanager
    async def life(app: "Starlette") -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.to_thread(back_end.close)
            shutil.rmtree(folder, ignore_errors=True)

    chats = Mount("/chat", routes=[Route("/completions", chat.__call__, methods=["POST"])])
    models = [
        Route("/models", pages.models),
        Route("/models/{model:path}", pages.model_of_name),
    ]
    return Starlette(
        routes=[
            Mount(openapi.V1, routes=[chats, *models]),
            Route("/health", pages.health),
            Route("/ready", pages.ready),
            Route("/metrics", pages.figures),
            Route("/openapi.json", pages.document),
            *for_admins,
        ],
        middleware=[
            Middleware(_Counted, metrics=metrics),
            Middleware(Doors, keys=keys, hosts=hosts, sessions=sessions),
        ],
        exception_handlers={
            ApiError: _told,
            HTTPException: _not_there,
            Exception: _failed,
        },
        lifespan=life,
    )


def _deletion_routes(
    desk: "Desk | None",
    back_end: BackEnd,
    limits: Limits,
    folder: Path,
    sessions: Sessions | None,
) -> "list[Route]":
    """The API and the pages for deletion requests, where there is a desk for them."""
    if desk is None:
        return []
    from mlubench.serving.deletions import DeletionPages
    from mlubench.serving.queue_page.pages import QueuePages
    from mlubench.serving.served_desk import BetweenAnswers, ServedDesk

    assert isinstance(back_end, BetweenAnswers)
    served = ServedDesk(desk, back_end, folder)
    routes = DeletionPages(served, limits).routes()
    # Without keys there is nobody to log in.
    if sessions is not None:
        routes += QueuePages(served, sessions, limits).routes()
    return routes


class _Pages:
    """What is answered without a model."""

    def __init__(
        self, back_end: BackEnd, model: str, metrics: "Metrics", *, with_deletions: bool
    ) -> None:
        self.back_end = back_end
        self.with_deletions = with_deletions
        self.metrics = metrics
        self.model = {
            "id": model,
            "object": "model",
            "created": int(time.time()),
            "owned_by": "mlubench",
        }

    async def models(self, request: "Request") -> "Response":
        from starlette.responses import JSONResponse

        return JSONResponse({"object": "list", "data": [self.model]})

    async def model_of_name(self, request: "Request") -> "Response":
        from starlette.responses import JSONResponse

        if request.path_params["model"] != self.model["id"]:
            raise ApiError(HTTPStatus.NOT_FOUND, "there is no such model", "model_not_found")
        return JSONResponse(self.model)

    async def health(self, request: "Request") -> "Response":
        """Whether the process lives."""
        from starlette.responses import JSONResponse

        return JSONResponse({"status": "ok"})

    async def ready(self, request: "Request") -> "Response":
        """Whether requests are taken."""
        from starlette.responses import JSONResponse

        if self.back_end.alive:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "stopping"}, HTTPStatus.SERVICE_UNAVAILABLE)

    async def document(self, request: "Request") -> "Response":
        from starlette.responses import JSONResponse

        if not self.with_deletions:
            return JSONResponse(openapi.document())
        from mlubench.serving import deletions

        return JSONResponse(openapi.document([*openapi.OPERATIONS, *deletions.operations()]))

    async def figures(self, request: "Request") -> "Response":
        from prometheus_client import CONTENT_TYPE_LATEST
        from starlette.responses import Response

        return Response(self.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Counted:
    """Middleware that counts responses by endpoint and status."""

    _ENDPOINTS = ("completions", "models", "health", "ready", "metrics")

    def __init__(self, app: "ASGIApp", metrics: "Metrics") -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Any other path may be anything, and so many figures nobody wants.
        name = scope["path"].rpartition("/")[2]
        endpoint = name if name in self._ENDPOINTS else "other"

        async def counting(message: "Message") -> None:
            if message["type"] == "http.response.start":
                self.metrics.responses.labels(endpoint, str(message["status"])).inc()
            await send(message)

        await self.app(scope, receive, counting)


async def _told(request: "Request", error: Exception) -> "Response":
    assert isinstance(error, ApiError)
    return error.response()


async def _not_there(request: "Request", error: "Exception | HTTPException") -> "Response":
    status = getattr(error, "status_code", HTTPStatus.NOT_FOUND)
    what = HTTPStatus(status).phrase.lower()
    headers = getattr(error, "headers", None) or {}
    return ApiError(status, what, what.replace(" ", "_"), headers=headers).response()


async def _failed(request: "Request", error: Exception) -> "Response":
    # What went wrong is in the log. It may name experts and files, so callers are not told.
    log.error("a request failed", exc_info=error)
    return ApiError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "the server failed; the request was not answered",
        "failed",
    ).response()
