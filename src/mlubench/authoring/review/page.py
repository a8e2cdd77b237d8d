"""A local page on which a person reviews what a build made, by keyboard and without a network."""

import hmac
import secrets
import socket
from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING

from pydantic import ValidationError

from mlubench.authoring.review.session import ReviewRequest, ReviewSession
from mlubench.core.errors import UsageError
from mlubench.data.records import path_problem

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

HOST = "127.0.0.1"
COOKIE = "mlubench_review"
_LONGEST_REQUEST = 65_536  # bytes; nobody types more


def make_app(session: ReviewSession, token: str) -> "Starlette":
    """The ASGI application.

    It answers nothing without the token of this start, and to no other name than this host's.
    Raises UsageError when starlette is missing.
    """
    try:
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from starlette.routing import Route
    except ImportError:
        raise UsageError(
            "the starlette package is missing", "Run: pip install 'mlubench[build]'."
        ) from None

    pages = _Pages(session, token)
    return Starlette(
        routes=[
            Route("/", pages.page),
            Route("/favicon.ico", pages.no_icon),
            Route("/cards", pages.cards),
            Route("/picture/{card:int}", pages.picture),
            Route("/say", pages.say, methods=["POST"]),
        ],
        # A page elsewhere could point its own name at this machine and so read what is here.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])],
    )


class _Pages:
    """What the application answers. Only numbers of cards come from outside, never a path."""

    def __init__(self, session: ReviewSession, token: str) -> None:
        self.session = session
        self.token = token

    async def page(self, request: "Request") -> "Response":
        from starlette.responses import HTMLResponse

        # The address brings the token once; from then on the cookie does.
        stated = request.query_params.get("token", "")
        if not self._is_token(stated) and not self._is_known(request):
            return _refused("open the address that `mlubench data review` printed")
        nonce = secrets.token_urlsafe(16)
        file = resources.files("mlubench.authoring.review").joinpath("page.html")
        text = file.read_text(encoding="utf-8").replace("{nonce}", nonce)
        # The page loads nothing from elsewhere and runs nothing but its own script.
        policy = (
            "default-src 'none'; img-src 'self'; connect-src 'self'; "
            f"style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'"
        )
        headers = {
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        }
        response = HTMLResponse(text, headers=headers)
        response.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
        return response

    async def no_icon(self, request: "Request") -> "Response":
        from starlette.responses import Response

        return Response(status_code=204)  # browsers ask for it unasked

    async def cards(self, request: "Request") -> "Response":
        from starlette.responses import JSONResponse

        if not self._is_known(request):
            return _refused("no token")
        return JSONResponse([self.session.card(n) for n in range(len(self.session.cards))])

    async def picture(self, request: "Request") -> "Response":
        from starlette.responses import FileResponse, PlainTextResponse

        if not self._is_known(request):
            return _refused("no token")
        number = request.path_params["card"]
        if number >= len(self.session.cards):
            return PlainTextResponse("no such card", 404)
        picture = self.session.cards[number][0].picture
        path = self.session.root / picture
        if path_problem(picture) or not path.is_file():  # a mended file may say anything
            return PlainTextResponse("the picture is gone", 404)
        return FileResponse(path, media_type="image/jpeg")

    async def say(self, request: "Request") -> "Response":
        from starlette.responses import JSONResponse, PlainTextResponse

        if not self._is_known(request):
            return _refused("no token")
        # A form of another page cannot send JSON.
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            return PlainTextResponse("send JSON", 415)
        body = await request.body()
        if len(body) > _LONGEST_REQUEST:
            return PlainTextResponse("too long", 413)
        try:
            review = ReviewRequest.model_validate_json(body)
            return JSONResponse(self.session.say(review))
        except ValidationError as error:
            return PlainTextResponse(error.errors()[0]["msg"], 422)
        except IndexError:
            return PlainTextResponse("no such card", 404)

    def _is_known(self, request: "Request") -> bool:
        return self._is_token(request.cookies.get(COOKIE, ""))

    def _is_token(self, text: str) -> bool:
        # In constant time: how long a comparison takes must not tell how much of a guess is right.
        return hmac.compare_digest(text, self.token)


def _refused(why: str) -> "Response":
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(f"refused: {why}", 403)


def serve(session: ReviewSession, *, port: int = 0, ready: Callable[[str], None]) -> None:
    """Serve the page on this machine alone until interrupted.

    `ready` is called with its address. Port 0 takes a free one. Raises UsageError when a package is
    missing or the port is taken.
    """
    try:
        import uvicorn
    except ImportError:
        raise UsageError(
            "the uvicorn package is missing", "Run: pip install 'mlubench[build]'."
        ) from None

    token = secrets.token_urlsafe(24)
    app = make_app(session, token)
    # Bound here and not by uvicorn, so that the address is known before anything is served.
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError as error:
            raise UsageError(
                f"port {port} cannot be used: {error.strerror}", "Take another with --port."
            ) from None
        listening.listen()
        ready(f"http://{HOST}:{listening.getsockname()[1]}/?token={token}")
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        uvicorn.Server(config).run(sockets=[listening])
