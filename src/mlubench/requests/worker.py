"""Works off approved requests, one by one. Each step looks for what it would make, so it goes on after a crash anywhere."""

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mlubench.core.errors import MlubenchError
from mlubench.core.files import digest, is_for_want_of_room
from mlubench.core.locks import locked
from mlubench.ledger.database import is_of_the_database
from mlubench.requests.desk import Desk
from mlubench.requests.measured import Measured, missed_bounds
from mlubench.requests.measuring import Measuring
from mlubench.requests.queue import DeletionRequest, now
from mlubench.requests.rows import seconds_between
from mlubench.requests.scoping import joint_benchmark, scope
from mlubench.requests.states import OPEN, State
from mlubench.requests.training import train_expert

log = logging.getLogger(__name__)

# A step that fails so often in a row is left to a person.
TRIES = 3
# Told of each request after each step.
Told = Callable[[DeletionRequest], None]


def scope_it(desk: Desk, row: DeletionRequest) -> DeletionRequest:
    """verified -> scoped: the gate refuses it, and what must go and stay is written down."""
    row = desk.put_in_gate(row)
    scope(desk.place, row.id, desk.mllm, desk.kept)
    return desk.queue.move(row, "scoped", desk.record.scoped(row))


def begin_training(desk: Desk, row: DeletionRequest, expert: str | None = None) -> DeletionRequest:
    """scoped -> training: by an expert of its own, or by one that several share."""
    noted = desk.record.training(row, desk.base_hashes)
    return desk.queue.move(row, "training", noted, expert=expert or row.id)


def train_and_measure(desk: Desk, row: DeletionRequest) -> DeletionRequest:
    """training -> audited: the expert lies in the store, and what it does is measured. It answers nobody yet."""
    assert row.expert is not None
    sharing = desk.queue.of_expert(row.expert)
    # Of one that was taken out meanwhile, what was sent may be deleted.
    together = [other.id for other in sharing if other.forgotten is None]
    benchmark = joint_benchmark(desk.place, row.expert, together, desk.kept)
    train_expert(desk.place, row.expert, benchmark, desk.mllm, together)
    measured = Measuring(desk.gate, row.id, row.expert).measure()
    noted = desk.record.audited(row, row.expert, measured)
    return desk.queue.move(row, "audited", noted, measured=measured.model_dump(mode="json"))


def activate(desk: Desk, row: DeletionRequest) -> DeletionRequest:
    """audited -> active, where every bound is met: from here on the expert answers. Else the gate goes on refusing."""
    assert row.expert is not None
    measured = Measured.model_validate(row.measured)
    why = "; ".join(missed_bounds(measured, desk.place.settings.bounds))
    if why:
        return row if row.why == why else desk.queue.note(row, desk.record.held(row, why), why=why)
    desk.gate.point_at(row.id, row.expert)
    since = now()
    seconds = seconds_between(row.approved, since) or 0.0
    noted = desk.record.active(row, row.expert, desk.base_hashes, seconds)
    return desk.queue.move(row, "active", noted, expert_since=since)


STEPS: dict[State, Callable[[Desk, DeletionRequest], DeletionRequest]] = {
    "verified": scope_it,
    "scoped": begin_training,
    "training": train_and_measure,
    "audited": activate,
}


def work_off(desk: Desk, told: Told, *, batch: bool = False) -> int:
    """Bring every approved request as far as it comes. Returns how many went on.

    With `batch`, requests that are there together get one expert, which is trained once for all of them. Raises
    MlubenchError where another worker is at it.
    """
    went_on = 0
    with _alone(desk):
        _finish_what_was_cut_off(desk)
        if batch:
            for row in desk.queue.all("verified"):
                _bring_on(desk, row, told, until="scoped")
            _share_an_expert(desk, desk.queue.all("scoped"))
        for row in desk.queue.all(*OPEN):
            went_on += _bring_on(desk, row, told)
    return went_on


def watch(desk: Desk, told: Told, seconds: float, *, batch: bool = False) -> None:
    """Work off what is there, look again, and so on until the process is ended.

    What is wrong from the start is raised. A full disk or a database that is away later on is waited for.
    """
    work_off(desk, told, batch=batch)
    while True:
        time.sleep(seconds)
        try:
            work_off(desk, told, batch=batch)
        except (MlubenchError, OSError) as error:
            log.warning("the requests cannot be worked off now: %s", error)


def _share_an_expert(desk: Desk, rows: Sequence[DeletionRequest]) -> None:
    """Have requests trained together. Where this is cut off, those that were not reached are trained by themselves."""
    if len(rows) < 2:
        return
    expert = f"batch-{digest([row.id for row in rows], 12)}"
    for row in rows:
        begin_training(desk, row, expert)


def _bring_on(desk: Desk, row: DeletionRequest, told: Told, until: State | None = None) -> bool:
    """One request, step by step. An error is noted with it, and the next request has its turn.

    Raises what is the machine's affair: a full disk, or a database that is away.
    """
    began = row.state
    while row.state in STEPS and row.state != until and row.failures < TRIES:
        try:
            after = STEPS[row.state](desk, row)
        # Whatever it is, as where the memory of a GPU is used up: the next request has its turn.
        except Exception as error:
            # Nothing is wrong with the request: it is not to be left to a person for that.
            if is_for_want_of_room(error) or is_of_the_database(error):
                raise
            if not isinstance(error, MlubenchError):
                log.exception("a step of request %s failed", row.id)
            row = desk.queue.get(row.id)
            if row.state in STEPS:
                noted = desk.record.failed(row, str(error))
                row = desk.queue.note(row, noted, why=str(error), failures=row.failures + 1)
            told(row)
            break
        if after.state == row.state:
            row = after
            break
        row = after
        told(row)
    return row.state != began


def _finish_what_was_cut_off(desk: Desk) -> None:
    for row in desk.queue.all("reverted"):
        desk.finish_reverting(row)
    desk.forget_what_is_past()
    # Checkpoints of trainings that were cut off.
    shutil.rmtree(desk.place.root / "work", ignore_errors=True)


@contextmanager
def _alone(desk: Desk) -> Iterator[None]:
    desk.place.root.mkdir(parents=True, exist_ok=True)
    busy = MlubenchError(
        f"another worker is at the requests of {desk.place.path}", "Let it finish, or end it."
    )
    with locked(desk.place.root / ".worker.lock", if_held=busy):
        yield
