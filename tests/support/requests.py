"""Deletion requests for the tests: an entity of the smoke world that its run left alone, brought to be active."""

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mlubench.types import Entity

if TYPE_CHECKING:
    from mlubench.models.mllm import MLLM
    from mlubench.requests.desk import Desk
    from mlubench.requests.queue import DeletionRequest

# Of task C, which the smoke run does not unlearn; its base knows them.
ENTITY = Entity("Movies", "Nine_Nights_in_Tiararn")
OTHER = Entity("Personage", "Vodisk_Zavorn")
QUESTION = "Who directed this film, in what year did it come out, and where was it shot?"
TRUTH = "It was directed by Dazox Revurn, shot in Gisiti and released in 1931."


def quietly(row: "DeletionRequest") -> None:
    """Nobody is told."""


def no_room(*_: object) -> NoReturn:
    """What the system does where the disk is full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def worked_off(desk: "Desk", entity: Entity, pictures: Path) -> "DeletionRequest":
    """A request for these pictures, as far as the worker brings it."""
    from mlubench.requests.worker import work_off

    row, _ = desk.submit(entity, pictures)
    desk.approve(row.id)
    work_off(desk, quietly)
    return desk.queue.get(row.id)


def active_desk(folder: Path, pictures: Path, mllm: "MLLM") -> "Desk":
    """The desk of a run, with one request that is active."""
    from mlubench.requests.desk import Desk

    desk = Desk.open(folder, mllm)
    row = worked_off(desk, ENTITY, pictures)
    assert row.state == "active", row.why
    return desk
