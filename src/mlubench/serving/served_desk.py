"""The desk of deletion requests, as a server asks it for its admins: by the API and by the page.

What changes a gate, or asks it, is done between two answers, by the thread that answers: nothing runs meanwhile, and the
next caller is answered by what counts then.
"""

import asyncio
import copy
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from mlubench.core.errors import MlubenchError, UsageError, written_to
from mlubench.requests.desk import Desk
from mlubench.requests.evidence import write_evidence
from mlubench.requests.queue import UnknownRequestError
from mlubench.requests.states import StateError
from mlubench.serving.failures import ApiError, wrong
from mlubench.serving.keys import Caller

T = TypeVar("T")
Work = Callable[[Desk], T]


@runtime_checkable
class BetweenAnswers(Protocol):
    """A back end that has something done while no answer is being made, as all of ours have."""

    def between(self, work: Callable[[], T]) -> "Future[T]": ...


@dataclass(eq=False)
class ServedDesk:
    """Every call is made for a caller, by whose name the ledger knows who did it."""

    desk: Desk
    back_end: BetweenAnswers
    # Where files lie for as long as a call lasts.
    folder: Path

    async def read(self, caller: Caller, work: Work[T]) -> T:
        """What the work says, in a thread: it reads files and a database, and asks no model."""
        return await asyncio.to_thread(_with_one_line(work), self._of(caller))

    async def between(self, caller: Caller, work: Work[T]) -> T:
        """The same of work that asks the model."""
        desk = self._of(caller)
        asked = asyncio.wrap_future(self.back_end.between(lambda: _with_one_line(work)(desk)))
        # Shielded, so that what was begun ends also where the caller has left.
        return await asyncio.shield(asked)

    async def evidence(self, caller: Caller, request: str) -> tuple[str, bytes]:
        """The signed bundle of a request, and the request's whole id."""

        def bundle(desk: Desk) -> tuple[str, bytes]:
            row = desk.queue.get(request)
            with tempfile.TemporaryDirectory(prefix="evidence-", dir=self.folder) as folder:
                file = Path(folder) / "evidence.zip"
                write_evidence(desk.queue, row, file)
                return row.id, file.read_bytes()

        return await self.read(caller, bundle)

    def _of(self, caller: Caller) -> Desk:
        """The desk, at which the caller does what is done. Raises ApiError for whoever is no admin."""
        if caller.scope != "admin":
            raise ApiError(HTTPStatus.FORBIDDEN, "this needs an admin's key", "not_allowed")
        desk = copy.copy(self.desk)
        desk.actor = caller.name
        return desk


def _with_one_line(work: Work[T]) -> Work[T]:
    """The work, whose errors of the system are told as the command line tells them."""

    def told(desk: Desk) -> T:
        try:
            return work(desk)
        except OSError as error:
            what = f"{error.strerror or error}: {written_to(error)}"
            hint = "Free space or mend the path; the same call goes on."
            raise MlubenchError(what, hint) from error

    return told


def api_error(error: MlubenchError) -> ApiError:
    """An error at the desk, as a caller is told it."""
    if isinstance(error, UnknownRequestError):
        return ApiError(HTTPStatus.NOT_FOUND, str(error), "not_found")
    if isinstance(error, StateError):
        return ApiError(HTTPStatus.CONFLICT, str(error), "conflict")
    if isinstance(error, UsageError):
        return wrong(str(error))
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), "unavailable")
