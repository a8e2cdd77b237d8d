"""What changes in a store whose experts never do: which version is current, what is switched off, and how it came so."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlubench.artifacts import read_json, write_json
from mlubench.errors import MlubenchError

STATE, LOCK = "store.json", ".store.lock"
Action = Literal["add", "import", "enable", "disable", "rollback"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Setting(_Strict):
    """Of one expert. `version` None is the first there is: what a run has written, and nobody has changed."""

    enabled: bool = True
    version: int | None = Field(None, ge=1)


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
    with (root / LOCK).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def change(root: Path, name: str, action: Action, **update: Any) -> bool:
    """Write one expert's new setting and add it to the history, in one step. False where nothing had to change.

    The caller holds the lock.
    """
    state = read_state(root)
    before = state.of(name)
    after = before.model_copy(update=update)
    if after == before:
        return False
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry = Change(at=now, action=action, expert=name, before=before, after=after)
    changed = State(experts={**state.experts, name: after}, history=[*state.history, entry])
    write_json(root / STATE, changed.model_dump(mode="json"))
    return True
