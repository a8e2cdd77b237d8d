"""Which expert stands for which since a consolidation: in force in one step, undone by a roll back, pruned on request."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import is_whole
from mlubench.lumoe.experts import state
from mlubench.lumoe.experts.manifest import WEIGHTS
from mlubench.lumoe.experts.state import State
from mlubench.lumoe.experts.store import ExpertStore, is_merged


@dataclass(frozen=True, slots=True)
class Standing:
    """For each expert that a gate names the one to mount, and those whose queries are refused."""

    carriers: dict[str, str]
    disabled: frozenset[str]


def standing(store: ExpertStore, names: Iterable[str]) -> Standing:
    """Who stands for these experts now.

    A merged expert is passed over while anything in it is disabled: what is left of it then counts by itself again, and
    is refused where its own weights were pruned. One made of experts that are not all among `names` is passed over too.
    """
    told, wanted = state.read_state(store.root), set(names)
    carriers = {name: _carrier(told, name, wanted) for name in names}
    off = {name for name, setting in told.experts.items() if not setting.enabled}
    off |= {c for c in set(carriers.values()) - off if store.pruned(c)}
    return Standing(carriers, frozenset(off))


def _carrier(told: State, name: str, wanted: set[str]) -> str:
    while above := told.of(name).merged_into:
        inside = within(told, above)
        if (
            not all(told.of(n).enabled for n in inside)
            or not {n for n in inside if not is_merged(n)} <= wanted
        ):
            break
        name = above
    return name


def within(told: State, merged: str) -> list[str]:
    """The experts that `merged` stands for, those of merged ones among them too; none for any other expert."""
    parts = parts_of(told, merged)
    return [*parts, *(n for part in parts for n in within(told, part))]


def parts_of(told: State, merged: str) -> list[str]:
    """The experts that were merged straight into `merged`."""
    return [name for name, setting in told.experts.items() if setting.merged_into == merged]


def free_names(store: ExpertStore, count: int) -> list[str]:
    """Names for so many merged experts: never one that was used before, so that no redirect can come to mean another."""
    used = set(state.read_state(store.root).experts)
    return [name for n in range(1, count + len(used) + 1) if (name := f"merged+{n}") not in used][
        :count
    ]


def adopt(
    store: ExpertStore, staged: ExpertStore, members: Mapping[str, Mapping[str, int]]
) -> None:
    """Take merged experts over from `staged` (on the same file system) and let them stand for their members.

    `members` gives each merged expert's members with the versions that were merged. Until the state is written, in one
    step, nothing counts; then all does. Raises MlubenchError where a member has changed meanwhile.
    """
    with state.locked(store.root):
        updates: dict[str, dict[str, Any]] = {}
        for merged, parts in members.items():
            require_unchanged(store, parts)
            staged.manifest(merged)
            updates |= {merged: {"version": 1}} | {part: {"merged_into": merged} for part in parts}
        for merged in members:
            shutil.rmtree(
                store.folder(merged, 1), ignore_errors=True
            )  # what a killed process left; no state knows it
            staged.folder(merged, 1).replace(store.folder(merged, 1))
        state.change_all(store.root, "consolidate", updates)


def require_unchanged(
    store: ExpertStore, members: Mapping[str, int], into: str | None = None
) -> None:
    """Raises MlubenchError unless these very versions count, each by itself (or already in `into`) and switched on."""
    told = state.read_state(store.root)
    for name, version in members.items():
        setting = told.of(name)
        if (
            store.current(name) != version
            or not setting.enabled
            or setting.merged_into not in (None, into)
        ):
            raise MlubenchError(
                f"expert {name!r} is no longer as it was merged: at version {version}, on, and by itself",
                "See `mlubench experts list`; then consolidate again.",
            )


def roll_back(store: ExpertStore, name: str, to: int | None = None) -> int:
    """`ExpertStore.roll_back`, which also undoes a consolidation.

    An expert that is merged counts by itself again. A merged one makes way for all it was made of (0 is returned), and
    with `to` comes back in their place.
    """
    told = state.read_state(store.root)
    if is_merged(name):
        return _rejoin(store, name, to) if to else _dissolve(store, name)
    if told.of(name).merged_into is None:
        return store.roll_back(name, to)
    if to is not None and to != store.current(name):
        store.roll_back(name, to)
    with state.locked(store.root):
        _leave(store, [name])
    return store.current(name)


def _leave(store: ExpertStore, names: Sequence[str]) -> None:
    for name in names:
        store.require_weights(name)
        store.manifest(name)
    state.change_all(store.root, "rollback", {name: {"merged_into": None} for name in names})


def _dissolve(store: ExpertStore, name: str) -> int:
    with state.locked(store.root):
        store.versions(name)
        parts = parts_of(state.read_state(store.root), name)
        if not parts:
            raise UsageError(
                f"{name!r} stands for no expert", f"Bring it back with `rollback {name} --to 1`."
            )
        _leave(store, parts)
    return 0


def _rejoin(store: ExpertStore, name: str, to: int) -> int:
    with state.locked(store.root):
        if to not in store.versions(name):
            raise UsageError(
                f"expert {name!r} has no version {to}", f"There are: {store.versions(name)}."
            )
        members: dict[str, int] = store.manifest(name, to).get("members") or {}
        if absent := sorted(set(members) - set(store.names())):
            raise UsageError(
                f"{name!r} was made of {', '.join(absent)}, not in {store.root}",
                "Import them first.",
            )
        require_unchanged(store, members, name)
        state.change_all(
            store.root,
            "rollback",
            {name: {"version": to}} | {part: {"merged_into": name} for part in members},
        )
    return to


def prune(store: ExpertStore) -> dict[str, int]:
    """Delete the weights of every version of what a merged expert stands for now. Returns the bytes freed by expert.

    Manifests stay, and gates beside them. Nothing can be rolled back to a pruned version. What a disabled expert keeps
    out of force is left alone, as it is needed.
    """
    freed: dict[str, int] = {}
    with state.locked(store.root):
        told = state.read_state(store.root)
        originals = [n for n in store.names() if not is_merged(n)]
        carriers = {n: _carrier(told, n, set(originals)) for n in originals}
        idle = {part for top in set(carriers.values()) for part in within(told, top)}
        for top in {carriers[n] for n in idle if n in carriers}:
            store.require_weights(top)
            store.manifest(top)  # never the last good copy
        state.change_all(
            store.root, "prune", {n: {"pruned": tuple(store.versions(n))} for n in sorted(idle)}
        )
        for name in sorted(idle):
            for number in store.versions(name):
                path = store.folder(name, number) / WEIGHTS
                if path.is_file() and is_whole(path.parent):
                    freed[name] = freed.get(name, 0) + path.stat().st_size
                    path.unlink()
    return freed
