"""What changes in a store whose experts never do: which version is current, what is switched off, and how it came so."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlubench.core import locks
from mlubench.core.errors import MlubenchError
from mlubench.core.files import read_json, write_json

STATE, LOCK = "store.json", ".store.lock"
Action = Literal["add", "import", "enable", "disable", "rollback", "consolidate", "prune"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Setting(_Strict):
    """Of one expert. `version` None is the first there is: what a run has written, and nobody has changed.

    `merged_into` names the expert that stands for it since a consolidation; `pruned` versions have lost their weights.
    """

    enabled: bool = True
    version: int | None = Field(None, ge=1)
    merged_into: str | None = None
    pruned: tuple[int, ...] = ()


class Change(_Strict):
    at: str
    action: Action
    expert: str
    before: Setting
    after: Setting


class State(_Strict):
    """Settings by expert, and every change that led to them, oldest first."""

    schema_version: Literal[1] = 1
    experts: dict[str, Setting] = {}
    history: list[Change] = []

    def of(self, name: str) -> Setting:
        return self.experts.get(name, Setting())


def read_state(root: Path) -> State:
    """The store's state; a store without the file has every expert on. MlubenchError when the file is broken."""
    path = root / STATE
    if not path.is_file() and not path.is_symlink():
        return State()
    try:
        return State.model_validate(read_json(path))
    except (ValidationError, MlubenchError) as error:
        raise MlubenchError(
            f"{path} is broken, so what is disabled is not known",
            "Put a copy of it back; without it all experts are on.",
        ) from error


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """One process at a time changes the store; others wait. Freed by the system however the process ends."""
    root.mkdir(parents=True, exist_ok=True)
    with locks.locked(root / LOCK):
        yield


def change(root: Path, name: str, action: Action, **update: Any) -> bool:
    """Write one expert's new setting and add it to the history, in one step. False where nothing had to change.

    The caller holds the lock.
    """
    return change_all(root, action, {name: update})


def change_all(root: Path, action: Action, updates: Mapping[str, dict[str, Any]]) -> bool:
    """The same for several experts: all of them change, or none."""
    state = read_state(root)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    experts, history = dict(state.experts), list(state.history)
    for name, update in updates.items():
        before = state.of(name)
        experts[name] = before.model_copy(update=update)
        if experts[name] != before:
            history.append(
                Change(at=now, action=action, expert=name, before=before, after=experts[name])
            )
    if len(history) == len(state.history):
        return False
    write_json(root / STATE, State(experts=experts, history=history).model_dump(mode="json"))
    return True
