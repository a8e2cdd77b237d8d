"""What is answered to a browser: log in, the list, one request, and what is done with it.

Every change is a form that a person sends. It needs the session's cookie, which no other site can have sent along, and the
token of the session, which no other site can read.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from mlubench.core.errors import MlubenchError
from mlubench.requests.desk import Desk
from mlubench.requests.preview import Preview
from mlubench.serving.bodies import form_body
from mlubench.serving.failures import ApiError, wrong
from mlubench.serving.limits import Limits
from mlubench.serving.queue_page import views
from mlubench.serving.queue_page.rendering import rendered, safe_headers
from mlubench.serving.served_desk import ServedDesk, api_error
from mlubench.serving.sessions import COOKIE, PAGES, Session, Sessions

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

T = TypeVar("T")
Handler = Callable[["Request"], Awaitable["Response"]]
LOGIN = f"{PAGES}/login"
# What the page says once something was done.
DONE = {
    "approved": "Approved: from now on the gate refuses it. The worker trains its expert.",
    "rejected": "Rejected: it will never be in effect.",
    "reverted": "Reverted: answers are again as if it had never come.",
    "forgotten": "Deleted: pictures and names are here no more. The ledger stays.",
}
_LONGEST_REASON = 2000
_STEPS = ("preview", "approve", "reject", "revert", "forget")


@dataclass(eq=False)
class QueuePages:
    """The endpoints."""

    served: ServedDesk
    sessions: Sessions
    limits: Limits

    def routes(self) -> "list[Route]":
        from starlette.routing import Route

        one = f"{PAGES}/{{request}}"
        return [
            Route(LOGIN, _as_pages(self.login_form), methods=["GET"]),
            Route(LOGIN, _as_pages(self.login), methods=["POST"]),
            Route(f"{PAGES}/logout", _for_admins(self.logout), methods=["POST"]),
            Route(PAGES, _for_admins(self.list), methods=["GET"]),
            Route(one, _for_admins(self.show), methods=["GET"]),
            Route(f"{one}/pictures/{{number:int}}", _for_admins(self.picture), methods=["GET"]),
            Route(f"{one}/evidence", _for_admins(self.evidence), methods=["GET"]),
            Route(f"{one}/preview", _for_admins(self.preview), methods=["POST"]),
            Route(f"{one}/approve", _for_admins(self.approve), methods=["POST"]),
            Route(f"{one}/reject", _for_admins(self.reject), methods=["POST"]),
            Route(f"{one}/forget", _for_admins(self.forget), methods=["POST"]),
            Route(f"{one}/revert", _for_admins(self.revert), methods=["POST"]),
            # The page that a form has led to, loaded anew: what was done is not done again.
            Route(f"{one}/{{step}}", _for_admins(self.back), methods=["GET"]),
        ]

    async def login_form(self, request: "Request") -> "Response":
        return rendered("login", None, problem="")

    async def login(self, request: "Request") -> "Response":
        _require_own_page(request)
        fields = await form_body(request, self.limits)
        cookie = self.sessions.begin(fields.get("key", "").strip())
        if cookie is None:
            problem = "That is no admin's key."
            return rendered("login", None, HTTPStatus.FORBIDDEN, problem=problem)
        response = _to(PAGES)
        response.set_cookie(
            COOKIE,
            cookie,
            path=PAGES,
            httponly=True,
            samesite="strict",
            # Where a proxy speaks TLS and says so, the cookie goes nowhere without it.
            secure=request.url.scheme == "https",
        )
        return response

    async def logout(self, request: "Request") -> "Response":
        await self._form(request)
        self.sessions.end(_session(request))
        response = _to(LOGIN)
        response.delete_cookie(COOKIE, path=PAGES, httponly=True, samesite="strict")
        return response

    async def list(self, request: "Request") -> "Response":
        stated = request.query_params.get("show", "open")
        choice = stated if stated in views.CHOICES else "open"
        rows = await self._read(request, lambda desk: views.listed(desk, choice))
        return rendered("list", _session(request), rows=rows, choice=choice, choices=views.CHOICES)

    async def show(self, request: "Request") -> "Response":
        return await self._page(request, done=DONE.get(request.query_params.get("done", ""), ""))

    async def back(self, request: "Request") -> "Response":
        name = request.path_params["request"]
        row = await self._read(request, lambda desk: desk.queue.get(name))
        if request.path_params["step"] not in _STEPS:
            raise ApiError(HTTPStatus.NOT_FOUND, "there is no such page", "not_found")
        return _to(f"{PAGES}/{row.id}")

    async def picture(self, request: "Request") -> "Response":
        from starlette.responses import Response

        name, number = request.path_params["request"], request.path_params["number"]
        content = await self._read(request, lambda desk: views.thumbnail(desk, name, number))
        return Response(content, media_type="image/jpeg", headers=safe_headers())

    async def evidence(self, request: "Request") -> "Response":
        from starlette.responses import Response

        caller = _session(request).caller
        name, content = await self.served.evidence(caller, request.path_params["request"])
        named = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
        return Response(content, media_type="application/zip", headers=safe_headers() | named)

    async def preview(self, request: "Request") -> "Response":
        await self._form(request)
        name = request.path_params["request"]
        try:
            found = await self._between(request, lambda desk: desk.preview(name))
        except MlubenchError as error:
            return await self._page(request, error=error)
        return await self._page(request, preview=found)

    async def approve(self, request: "Request") -> "Response":
        why = await self._reason(request)
        name = request.path_params["request"]
        return await self._done(
            request, "approved", self._between(request, lambda desk: desk.approve(name, why))
        )

    async def reject(self, request: "Request") -> "Response":
        why = await self._reason(request)
        if not why:
            raise wrong("a request is rejected for a reason: go back and say why")
        name = request.path_params["request"]
        return await self._done(
            request, "rejected", self._read(request, lambda desk: desk.reject(name, why))
        )

    async def revert(self, request: "Request") -> "Response":
        why = await self._reason(request)
        name = request.path_params["request"]
        return await self._done(
            request, "reverted", self._between(request, lambda desk: desk.revert(name, why))
        )

    async def forget(self, request: "Request") -> "Response":
        await self._form(request)
        name = request.path_params["request"]
        return await self._done(
            request, "forgotten", self._read(request, lambda desk: desk.forget(name))
        )

    async def _done(self, request: "Request", what: str, step: Awaitable[object]) -> "Response":
        """The request's page after a step, or with the reason why it was not taken."""
        try:
            await step
        except MlubenchError as error:
            return await self._page(request, error=error)
        return _to(f"{PAGES}/{request.path_params['request']}?done={what}")

    async def _page(
        self,
        request: "Request",
        *,
        done: str = "",
        preview: Preview | None = None,
        error: MlubenchError | None = None,
    ) -> "Response":
        name = request.path_params["request"]
        view = await self._read(request, lambda desk: views.shown(desk, name))
        status = api_error(error).status if error is not None else HTTPStatus.OK
        return rendered(
            "request",
            _session(request),
            status,
            view=view,
            done=done,
            preview=preview,
            problem=str(error) if error is not None else "",
        )

    async def _form(self, request: "Request") -> dict[str, str]:
        """The fields of a form of this session's own. Raises ApiError for any other."""
        _require_own_page(request)
        fields = await form_body(request, self.limits)
        if not _session(request).has(fields.get("token", "")):
            raise ApiError(
                HTTPStatus.FORBIDDEN,
                "the form is of another session: load the page anew",
                "not_allowed",
            )
        return dict(fields)

    async def _reason(self, request: "Request") -> str:
        why = (await self._form(request)).get("why", "").strip()
        if len(why) > _LONGEST_REASON:
            raise wrong(f"a reason has at most {_LONGEST_REASON:,} letters")
        return why

    async def _read(self, request: "Request", work: Callable[[Desk], T]) -> T:
        return await self.served.read(_session(request).caller, work)

    async def _between(self, request: "Request", work: Callable[[Desk], T]) -> T:
        return await self.served.between(_session(request).caller, work)


def _session(request: "Request") -> Session:
    session: Session = request.scope["session"]
    return session


def _for_admins(handler: Handler) -> Handler:
    """Whoever has no session is sent to the form for the key."""

    async def guarded(request: "Request") -> "Response":
        if request.scope["session"] is None:
            return _to(LOGIN)
        return await handler(request)

    return _as_pages(guarded)


def _as_pages(handler: Handler) -> Handler:
    """Errors as pages."""

    async def told(request: "Request") -> "Response":
        try:
            return await handler(request)
        except MlubenchError as error:
            failure = api_error(error)
        except ApiError as error:
            failure = error
        session = request.scope["session"]
        return rendered("error", session, failure.status, problem=failure.message)

    return told


def _require_own_page(request: "Request") -> None:
    """Raises ApiError where the browser says that another site has sent the form."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ApiError(HTTPStatus.FORBIDDEN, "the form was sent by another site", "not_allowed")


def _to(address: str) -> "Response":
    from starlette.responses import RedirectResponse

    return RedirectResponse(address, HTTPStatus.SEE_OTHER, headers=safe_headers())
