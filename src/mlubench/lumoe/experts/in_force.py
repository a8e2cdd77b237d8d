"""What counts since deletion requests came in: which tasks the gate knows, and which expert answers for each.

A gate's state lies in a folder of its own, `.gates/N`, which never changes. What counts is named in store.json, so one
write puts a gate and its experts in force, or takes them out. Nobody sees half of it.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from mlubench.core.files import is_whole, read_manifest, whole_dir
from mlubench.lumoe.experts import state
from mlubench.lumoe.experts.state import InForce

# A leading dot, so that no folder in it passes for an expert.
GATES = ".gates"
# Folders of gates that are left when a new one comes. A server may be reading the one before.
_LEFT = 3


class Saved(Protocol):
    """What writes files into the folder of a gate: the gate, what the second look compares with."""

    def save(self, folder: Path) -> None: ...


def in_force(root: Path) -> InForce | None:
    """What counts in the store; None where no request came in."""
    return state.read_state(root).in_force


def gate_folder(root: Path, number: int) -> Path:
    return root / GATES / str(number)


def checked_gate_folder(root: Path, number: int) -> Path:
    """The folder of a gate. Raises MlubenchError where a file of it is missing or changed."""
    folder = gate_folder(root, number)
    read_manifest(folder)
    return folder


def put_in_force(
    root: Path, saved: Sequence[Saved], tasks: Sequence[str], requests: Mapping[str, str | None]
) -> InForce:
    """Write a gate and let it count, with these tasks and experts. The caller holds the store's lock."""
    number = _next_number(root)
    with whole_dir(gate_folder(root, number), {"tasks": list(tasks)}) as out:
        for part in saved:
            part.save(out)
    found = InForce(gate=number, tasks=tuple(tasks), requests=dict(requests))
    set_in_force(root, found)
    _drop_old(root, number)
    return found


def set_in_force(root: Path, what: InForce | None) -> None:
    """Let this count; None: what the newest expert brought along. The caller holds the store's lock."""
    state.write_state(root, state.read_state(root).model_copy(update={"in_force": what}))


def _numbers(root: Path) -> list[int]:
    folder = root / GATES
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def _next_number(root: Path) -> int:
    # Never one that is there, so that a server that reads a folder does not see it change.
    return max(_numbers(root), default=0) + 1


def drop_superseded(root: Path) -> None:
    """Delete every gate but the one that counts: what is in them was taken out. The caller holds the store's lock."""
    counts = in_force(root)
    for number in _numbers(root):
        if counts is None or number != counts.gate:
            shutil.rmtree(gate_folder(root, number))


def _drop_old(root: Path, newest: int) -> None:
    for number in _numbers(root):
        folder = gate_folder(root, number)
        if number <= newest - _LEFT or not is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
