"""What changes in a store whose experts never do: which version is current, what is switched off, and how it came so."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypedDict, Unpack

from pydantic import Field

from mlubench.core import locks
from mlubench.core.errors import MlubenchError
from mlubench.core.files import write_json
from mlubench.core.reading import read_json
from mlubench.settings.strict import Strict

STATE = "store.json"
LOCK = ".store.lock"
Action = Literal["add", "import", "enable", "disable", "rollback", "consolidate", "prune"]


class Setting(Strict):
    """What the store has settled about one expert."""

    enabled: bool = True
    version: int | None = Field(
        None, ge=1, description="the current one; None: the first there is, as a run has written it"
    )
    merged_into: str | None = Field(
        None, description="the expert that stands for it since a consolidation"
    )
    pruned: tuple[int, ...] = Field((), description="versions that have lost their weights")


class Update(TypedDict, total=False):
    """The fields of a Setting that change."""

    enabled: bool
    version: int
    merged_into: str | None
    pruned: tuple[int, ...]


class Change(Strict):
    """One entry of the history."""

    at: str = Field(description="ISO 8601, UTC, to the second")
    action: Action
    expert: str
    before: Setting
    after: Setting


class InForce(Strict):
    """What counts since deletion requests came in, in place of what the newest expert brought along."""

    gate: int = Field(ge=1, description="number of the folder in which the gate lies")
    tasks: tuple[str, ...] = Field(description="all that the gate knows, in order")
    requests: dict[str, str | None] = Field(
        description="by task of a request its expert; None: none yet, and what reaches it is refused"
    )


class State(Strict):
    """The content of store.json."""

    schema_version: Literal[1] = 1
    in_force: InForce | None = Field(None, description="None: what the newest expert brought along")
    experts: dict[str, Setting] = Field({}, description="by name; one not named has the defaults")
    history: list[Change] = Field([], description="oldest first")

    def of(self, name: str) -> Setting:
        return self.experts.get(name, Setting())


def read_state(root: Path) -> State:
    """The store's state; a store without the file has every expert on. MlubenchError when the file is broken."""
    path = root / STATE
    # A broken link counts as a broken file: it must not switch disabled experts on.
    if not path.is_file() and not path.is_symlink():
        return State()
    try:
        return read_json(path, State)
    except MlubenchError as error:
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


def change(root: Path, name: str, action: Action, **update: Unpack[Update]) -> bool:
    """Write one expert's new setting and add it to the history, in one step. False where nothing had to change.

    The caller holds the lock.
    """
    return change_all(root, action, {name: update})


def change_all(root: Path, action: Action, updates: Mapping[str, Update]) -> bool:
    """The same for several experts: all of them change, or none."""
    state = read_state(root)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    experts = dict(state.experts)
    history = list(state.history)
    for name, update in updates.items():
        before = state.of(name)
        after = before.model_copy(update=dict(update))
        experts[name] = after
        if after != before:
            history.append(Change(at=now, action=action, expert=name, before=before, after=after))
    if len(history) == len(state.history):
        return False
    write_state(root, state.model_copy(update={"experts": experts, "history": history}))
    return True


def write_state(root: Path, state: State) -> None:
    """Replace the state in one step. The caller holds the lock."""
    # Left out where there is none, so that earlier versions read the file of a store without requests.
    left_out = {"in_force"} if state.in_force is None else set()
    # `mode="json"` makes lists of tuples, as JSON has no other.
    write_json(root / STATE, state.model_dump(mode="json", exclude=left_out))
