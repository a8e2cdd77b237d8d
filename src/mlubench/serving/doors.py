"""Every call passes here before anything else: the host that it names, the key or the session that it holds.

Who comes in is noted in the call's scope as `caller`. What is not known to be open is closed.
"""

import logging
from collections.abc import Collection, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from mlubench.core.errors import MlubenchError
from mlubench.serving.failures import ApiError, wrong
from mlubench.serving.keys import ANYBODY, Caller, Keys
from mlubench.serving.sessions import Sessions, is_page

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)

# For load balancers, which hold no key. They say nothing but yes or no.
OPEN = ("/health", "/ready")
# Figures of all callers together.
ADMIN = ("/metrics",)
# All below it are for admins.
ADMIN_FOLDER = "/admin/"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Doors:
    """Middleware around the whole application."""

    def __init__(
        self,
        app: "ASGIApp",
        *,
        keys: Keys | None,
        hosts: Collection[str],
        sessions: Sessions | None = None,
    ) -> None:
        """`hosts` are the names under which the server may be called; none: any. Without `keys` anybody may ask.

        With `sessions` there are pages for a browser, which a session opens and no header.
        """
        self.app = app
        self.keys = keys
        self.sessions = sessions
        self.hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "http":
            try:
                scope["caller"] = self._caller(scope)
            except ApiError as error:
                await error.response()(scope, receive, send)
                return
        elif scope["type"] != "lifespan":
            # Nothing here speaks anything else, as WebSocket.
            return
        await self.app(scope, receive, send)

    def _caller(self, scope: "Scope") -> Caller:
        headers = scope["headers"]
        # A page elsewhere could point its own name at this machine and so ask what is here.
        if self.hosts and _host(_values(headers, b"host")) not in self.hosts:
            raise wrong("this server does not go by that name")
        path = scope["path"]
        if self.keys is None or path in OPEN:
            return ANYBODY
        if self.sessions is not None and is_page(path):
            session = self.sessions.of(_values(headers, b"cookie"))
            # Whoever has none sees the form for the key, and nothing else: see `queue_page`.
            scope["session"] = session
            return session.caller if session is not None else ANYBODY
        caller = self._holder(_values(headers, b"authorization"))
        if caller is None:
            raise ApiError(
                HTTPStatus.UNAUTHORIZED,
                "no key, or a wrong one. Send it as: Authorization: Bearer KEY",
                "invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )
        for_admins = path in ADMIN or path.startswith(ADMIN_FOLDER)
        if for_admins and caller.scope != "admin":
            raise ApiError(HTTPStatus.FORBIDDEN, "this needs an admin's key", "not_allowed")
        return caller

    def _holder(self, stated: list[str]) -> Caller | None:
        if self.keys is None or len(stated) != 1:
            return None
        scheme, _, key = stated[0].partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            return None
        try:
            return self.keys.caller(key.strip())
        except (MlubenchError, OSError):
            log.exception("the file of keys cannot be read, so that no key is taken")
            return None


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]


def _host(stated: list[str]) -> str:
    """The name without the port. Two names are none."""
    if len(stated) != 1:
        return ""
    host = stated[0].lower()
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
