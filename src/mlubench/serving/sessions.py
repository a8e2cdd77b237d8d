"""Who has logged in by browser. A session begins with an admin's key, and ends with it.

The cookie is a random text that no script can read and no other site can have sent along. Sessions are in memory: they end
with the server.
"""

import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from http.cookies import CookieError, SimpleCookie

from mlubench.core.errors import MlubenchError
from mlubench.serving.keys import Caller, Keys, key_hash

log = logging.getLogger(__name__)

# All below it is pages for a browser.
PAGES = "/queue"
COOKIE = "mlubench_queue"
# Seconds without a call, and in all, after which the key is asked for again.
IDLE = 3600
LONGEST = 8 * 3600
# The one that was used longest ago makes room.
_MOST = 100
_BYTES = 32


def is_page(path: str) -> bool:
    return path == PAGES or path.startswith(f"{PAGES}/")


@dataclass(frozen=True, slots=True)
class Session:
    """One browser of one admin."""

    caller: Caller
    # Of the key that began it.
    key: str = field(repr=False)
    # Stands in every form: another site cannot know it.
    token: str = field(repr=False)
    began: float
    seen: float

    def has(self, token: str) -> bool:
        """Whether a form has this session's token."""
        return hmac.compare_digest(token.encode(), self.token.encode())


@dataclass(eq=False)
class Sessions:
    """All sessions of a server."""

    keys: Keys
    clock: Callable[[], float] = time.monotonic
    # By the hash of the cookie, so that how long a look takes tells nothing of it.
    _open: dict[str, Session] = field(default_factory=dict, repr=False)

    def begin(self, key: str) -> str | None:
        """The cookie of a new session; None for a key that is no admin's."""
        digest = key_hash(key)
        caller = self._admin(digest)
        if caller is None:
            return None
        if len(self._open) >= _MOST:
            del self._open[min(self._open, key=lambda name: self._open[name].seen)]
        cookie = secrets.token_urlsafe(_BYTES)
        now = self.clock()
        token = secrets.token_urlsafe(_BYTES)
        self._open[_name(cookie)] = Session(caller, digest, token, now, now)
        return cookie

    def of(self, headers: Sequence[str]) -> Session | None:
        """The session that a call's cookies name; None where it has ended, or its key counts no more."""
        name = _name(_cookie_in(headers))
        session = self._open.get(name)
        if session is None:
            return None
        now = self.clock()
        is_over = now - session.seen > IDLE or now - session.began > LONGEST
        if is_over or self._admin(session.key) is None:
            del self._open[name]
            return None
        self._open[name] = replace(session, seen=now)
        return session

    def end(self, session: Session) -> None:
        """Whoever has the cookie must log in again."""
        for name, there in list(self._open.items()):
            if there.token == session.token:
                del self._open[name]

    def _admin(self, digest: str) -> Caller | None:
        try:
            caller = self.keys.caller_of(digest)
        except (MlubenchError, OSError):
            log.exception("the file of keys cannot be read, so that no key is taken")
            return None
        return caller if caller is not None and caller.scope == "admin" else None


def _cookie_in(headers: Sequence[str]) -> str:
    for header in headers:
        try:
            found = SimpleCookie(header).get(COOKIE)
        except CookieError:
            continue
        if found is not None:
            return found.value
    return ""


def _name(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()
