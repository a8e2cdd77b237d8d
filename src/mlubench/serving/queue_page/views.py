"""What a page shows, put together from the queue, the ledger and the settings."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal, get_args

from mlubench.core.files import is_whole
from mlubench.data.pictures import open_picture
from mlubench.ledger.entries import Entry
from mlubench.requests.desk import Desk
from mlubench.requests.evidence import STANDING, TITLES
from mlubench.requests.measured import Measured, missed_bounds
from mlubench.requests.queue import DeletionRequest
from mlubench.requests.states import FOLLOWS, State
from mlubench.requests.submission import SENT, Sent, read_sent
from mlubench.serving.failures import ApiError

# Which requests a list shows.
Choice = Literal["open", "ended", "all"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
# Those that somebody or the worker has still to do something about.
_WAITING: tuple[State, ...] = ("received", "verified", "scoped", "training", "audited")
# The longer side of a picture on a page, in pixels.
_SIDE = 240


@dataclass(frozen=True, slots=True)
class Due:
    """When a request is due, and whether that is past."""

    day: str
    days_left: int
    # None of this counts any more once its expert answers, or it has ended.
    counts: bool

    @classmethod
    def of(cls, row: DeletionRequest, now: datetime) -> "Due":
        left = (datetime.fromisoformat(row.due) - now).days
        return cls(row.due[:10], left, row.state in _WAITING)

    @property
    def words(self) -> str:
        if not self.counts:
            return self.day
        if self.days_left < 0:
            return f"{self.day}, overdue"
        days = "1 day" if self.days_left == 1 else f"{self.days_left} days"
        return f"{self.day}, in {days}"

    @property
    def is_overdue(self) -> bool:
        return self.counts and self.days_left < 0


@dataclass(frozen=True, slots=True)
class ListRow:
    """A request in the list."""

    row: DeletionRequest
    due: Due


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request on its own page."""

    row: DeletionRequest
    due: Due
    # What is in effect, in a sentence.
    standing: str
    # None where what was sent lies here no more.
    sent: Sent | None
    # Rates under their titles, with their intervals.
    scores: Sequence[tuple[str, str]]
    missed: Sequence[str]
    entries: Sequence[Entry]
    # The states that a person may bring it to.
    next_states: Sequence[State]


def listed(desk: Desk, choice: Choice) -> list[ListRow]:
    """The requests of this choice: what is due first comes first."""
    now = datetime.now(UTC)
    rows = [ListRow(row, Due.of(row, now)) for row in desk.queue.all()]
    if choice == "open":
        rows = [one for one in rows if one.due.counts]
    if choice == "ended":
        rows = [one for one in rows if not FOLLOWS[one.row.state]]
    return sorted(rows, key=lambda one: (not one.due.counts, one.row.due))


def shown(desk: Desk, request: str) -> RequestView:
    """One request. Raises UnknownRequestError where there is none."""
    row = desk.queue.get(request)
    place = desk.place
    measured = Measured.model_validate(row.measured) if row.measured is not None else None
    return RequestView(
        row=row,
        due=Due.of(row, datetime.now(UTC)),
        standing=STANDING[row.state],
        sent=read_sent(place, row.id) if is_whole(place.folder(row.id) / SENT) else None,
        scores=_scores(measured),
        missed=missed_bounds(measured, place.settings.bounds) if measured is not None else (),
        entries=list(desk.queue.ledger.entries(request=row.id)),
        next_states=FOLLOWS[row.state],
    )


def _scores(measured: Measured | None) -> list[tuple[str, str]]:
    if measured is None:
        return []
    return [(TITLES.get(name, name), rate.told()) for name, rate in measured]


def thumbnail(desk: Desk, request: str, number: int) -> bytes:
    """A picture that was sent, small and as a JPEG of our own making. Raises ApiError where there is none."""
    row = desk.queue.get(request)
    folder = desk.place.folder(row.id) / SENT
    names = read_sent(desk.place, row.id).pictures if is_whole(folder) else ()
    if not 1 <= number <= len(names):
        raise ApiError(HTTPStatus.NOT_FOUND, "there is no such picture", "not_found")
    picture = open_picture(folder / names[number - 1])
    picture.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, format="jpeg", quality=85)
    return buffer.getvalue()
