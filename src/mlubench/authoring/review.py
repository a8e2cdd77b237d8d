"""A local page on which a person accepts, edits or rejects what a build made: by keyboard alone, and without a network."""

import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mlubench.authoring.rows import ItemRow
from mlubench.authoring.verdicts import LOG, VerdictRow, append, apply, mend_log, read_log
from mlubench.core.errors import UsageError
from mlubench.data.records import path_problem

HOST = "127.0.0.1"
COOKIE = "mlubench_review"
_LONGEST = 65_536  # bytes of a request; nobody types more


class Said(BaseModel):
    """What the page sends: on a card, or on all cards of its fact, as an edited answer always is."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    card: int = Field(ge=0)
    verdict: Literal["accepted", "rejected", "edited", "pending"]
    scope: Literal["card", "fact"] = "card"
    answer: str = Field("", max_length=4000)

    @model_validator(mode="after")
    def _an_edit_says_what(self) -> "Said":
        if self.verdict == "edited" and not self.answer:
            raise ValueError("the answer is empty")
        return self


@dataclass
class Desk:
    """The cards of a build, a card being a picture with one question in all its phrasings, and what was said so far."""

    root: Path
    items: Sequence[ItemRow]
    who: str
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        mend_log(self.root / LOG)
        self.said = read_log(self.root / LOG)
        groups: dict[tuple[str, str], list[ItemRow]] = {}
        for item in self.items:
            groups.setdefault((item.picture, item.question), []).append(item)
        self.cards = list(groups.values())

    def reviewed(self) -> list[ItemRow]:
        """All items with what was said of them so far."""
        return apply(self.items, self.said)

    def card(self, number: int) -> dict[str, Any]:
        rows = apply(self.cards[number], self.said)
        first = rows[0]
        return {
            "card": number,
            "entity": first.entity,
            "question": first.question,
            "texts": [row.text for row in rows],
            "answer": first.answer,
            "made": self.cards[number][0].answer,
            "verdict": first.verdict if len({row.verdict for row in rows}) == 1 else "pending",
            "who": first.who,
            "when": first.when,
        }

    def say(self, said: Said) -> list[dict[str, Any]]:
        """Keep it, on the disk, and give the cards back that changed. IndexError for a card that is not there."""
        first = self.cards[said.card][0]
        edited = said.verdict == "edited"
        numbers = [
            n
            for n, rows in enumerate(self.cards)
            if n == said.card
            or (
                (edited or said.scope == "fact")
                and (rows[0].entity, rows[0].question) == (first.entity, first.question)
            )
        ]
        when = self.now().isoformat(timespec="seconds")
        rows = [
            VerdictRow(
                id=item.id,
                verdict=said.verdict,
                answer=said.answer if edited else "",
                who=self.who,
                when=when,
            )
            for n in numbers
            for item in self.cards[n]
        ]
        append(self.root / LOG, rows)
        self.said |= {row.id: row for row in rows}
        return [self.card(n) for n in numbers]


def make_app(desk: Desk, token: str) -> Any:
    """The ASGI application. Nothing is answered without the token of this start, and to no other name than this host's.

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

    pages = _Pages(desk, token)
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

    def __init__(self, desk: Desk, token: str) -> None:
        self.desk, self.token = desk, token

    async def page(self, request: Any) -> Any:
        from starlette.responses import HTMLResponse

        if not hmac.compare_digest(
            request.query_params.get("token", ""), self.token
        ) and not self._known(request):
            return _refused("open the address that `mlubench data review` printed")
        nonce = secrets.token_urlsafe(16)
        text = (
            resources.files("mlubench.authoring")
            .joinpath("review.html")
            .read_text(encoding="utf-8")
        )
        own = f"style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'"
        policy = f"default-src 'none'; img-src 'self'; connect-src 'self'; {own}"
        headers = {
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        }
        response = HTMLResponse(text.replace("{nonce}", nonce), headers=headers)
        response.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
        return response

    async def no_icon(self, request: Any) -> Any:
        from starlette.responses import Response

        return Response(status_code=204)  # browsers ask for it unasked

    async def cards(self, request: Any) -> Any:
        from starlette.responses import JSONResponse

        if not self._known(request):
            return _refused("no token")
        return JSONResponse([self.desk.card(n) for n in range(len(self.desk.cards))])

    async def picture(self, request: Any) -> Any:
        from starlette.responses import FileResponse, PlainTextResponse

        if not self._known(request):
            return _refused("no token")
        number = request.path_params["card"]
        if number >= len(self.desk.cards):
            return PlainTextResponse("no such card", 404)
        picture = self.desk.cards[number][0].picture
        path = self.desk.root / picture
        if path_problem(picture) or not path.is_file():  # a mended file may say anything
            return PlainTextResponse("the picture is gone", 404)
        return FileResponse(path, media_type="image/jpeg")

    async def say(self, request: Any) -> Any:
        from starlette.responses import JSONResponse, PlainTextResponse

        if not self._known(request):
            return _refused("no token")
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            return PlainTextResponse("send JSON", 415)  # what a form of another page cannot send
        if len(body := await request.body()) > _LONGEST:
            return PlainTextResponse("too long", 413)
        try:
            return JSONResponse(self.desk.say(Said.model_validate_json(body)))
        except ValidationError as error:
            return PlainTextResponse(error.errors()[0]["msg"], 422)
        except IndexError:
            return PlainTextResponse("no such card", 404)

    def _known(self, request: Any) -> bool:
        return hmac.compare_digest(request.cookies.get(COOKIE, ""), self.token)


def _refused(why: str) -> Any:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(f"refused: {why}", 403)


def serve(desk: Desk, *, port: int = 0, ready: Callable[[str], None]) -> None:
    """Serve the page on this machine alone until interrupted; `ready` is told its address. Port 0 takes a free one.

    Raises UsageError when a package is missing or the port is taken.
    """
    try:
        import uvicorn
    except ImportError:
        raise UsageError(
            "the uvicorn package is missing", "Run: pip install 'mlubench[build]'."
        ) from None
    import socket

    token = secrets.token_urlsafe(24)
    app = make_app(desk, token)
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
