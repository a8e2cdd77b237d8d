"""Which expert stands for which since a consolidation: in force in one step, undone by a roll back, pruned on request.

A merged expert is one that was made of others, its members; it stands for them. Members may be merged experts themselves.
"""

import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import is_whole
from mlubench.lumoe.experts import state
from mlubench.lumoe.experts.manifest import WEIGHTS
from mlubench.lumoe.experts.state import State, Update
from mlubench.lumoe.experts.store import ExpertStore, is_merged


@dataclass(frozen=True, slots=True)
class ActiveExperts:
    """Which experts answer now."""

    # For each expert that a gate names the one to mount.
    expert_for: dict[str, str]
    # Those whose queries are refused.
    disabled: frozenset[str]


def active_experts(store: ExpertStore, names: Iterable[str]) -> ActiveExperts:
    """Which experts stand for these now.

    A merged expert is passed over while anything in it is disabled: what is left of it then counts by itself again, and
    is refused where its own weights were pruned. One made of experts that are not all among `names` is passed over too.
    """
    current = state.read_state(store.root)
    wanted = list(names)
    expert_for = {name: _active_expert(current, name, set(wanted)) for name in wanted}
    disabled = set(store.disabled())
    for expert in set(expert_for.values()) - disabled:
        if store.pruned(expert):
            disabled.add(expert)
    return ActiveExperts(expert_for, frozenset(disabled))


def _active_expert(current: State, name: str, wanted: Collection[str]) -> str:
    """The outermost merged expert that may stand for `name`, or `name` itself."""
    while True:
        merged = current.of(name).merged_into
        if merged is None:
            return name
        for member in all_members(current, merged):
            if not current.of(member).enabled:
                return name
            if not is_merged(member) and member not in wanted:
                return name
        name = merged


def all_members(current: State, merged: str) -> list[str]:
    """The experts that `merged` stands for, with the members of its merged members; none for any other expert."""
    members = direct_members(current, merged)
    found = list(members)
    for member in members:
        found += all_members(current, member)
    return found


def direct_members(current: State, merged: str) -> list[str]:
    """The experts that were merged straight into `merged`."""
    return [name for name, setting in current.experts.items() if setting.merged_into == merged]


def free_names(store: ExpertStore, count: int) -> list[str]:
    """Names for so many merged experts: never one that was used before, so that no redirect can come to mean another."""
    used = set(state.read_state(store.root).experts)
    # However many are used, so many more candidates hold enough free ones.
    candidates = [f"merged+{number}" for number in range(1, count + len(used) + 1)]
    return [name for name in candidates if name not in used][:count]


def put_in_force(
    store: ExpertStore, staged: ExpertStore, members: Mapping[str, Mapping[str, int]]
) -> None:
    """Take merged experts over from `staged` (on the same file system) and let them stand for their members.

    `members` gives each merged expert's members with the versions that were merged. Until the state is written, in one
    step, nothing counts; then all does. Raises MlubenchError where a member has changed meanwhile.
    """
    with state.locked(store.root):
        updates: dict[str, Update] = {}
        for merged, versions in members.items():
            require_unchanged(store, versions)
            staged.manifest(merged)
            updates[merged] = {"version": 1}
            updates |= {member: {"merged_into": merged} for member in versions}
        for merged in members:
            folder = store.folder(merged, 1)
            # What a killed process may have left there: no state knows it.
            shutil.rmtree(folder, ignore_errors=True)
            staged.folder(merged, 1).replace(folder)
        state.change_all(store.root, "consolidate", updates)


def require_unchanged(
    store: ExpertStore, members: Mapping[str, int], into: str | None = None
) -> None:
    """Raises MlubenchError unless these very versions count, each by itself (or already in `into`) and switched on."""
    current = state.read_state(store.root)
    for name, version in members.items():
        setting = current.of(name)
        same_version = store.current(name) == version
        by_itself = setting.merged_into in (None, into)
        if not (same_version and setting.enabled and by_itself):
            raise MlubenchError(
                f"expert {name!r} is no longer as it was merged: at version {version}, on, and by itself",
                "See `mlubench experts list`; then consolidate again.",
            )


def roll_back(store: ExpertStore, name: str, to: int | None = None) -> int:
    """`ExpertStore.roll_back`, which also undoes a consolidation.

    An expert that is merged counts by itself again. A merged one makes way for all it was made of (0 is returned), and
    with `to` comes back in their place.
    """
    if is_merged(name):
        if to:
            _merge_again(store, name, to)
            return to
        _split_up(store, name)
        return 0
    if state.read_state(store.root).of(name).merged_into is None:
        return store.roll_back(name, to)
    if to is not None and to != store.current(name):
        store.roll_back(name, to)
    with state.locked(store.root):
        _leave_merged(store, [name])
    return store.current(name)


def _leave_merged(store: ExpertStore, names: Sequence[str]) -> None:
    """Let each of these count by itself again. The caller holds the lock."""
    for name in names:
        store.require_weights(name)
        store.manifest(name)
    state.change_all(store.root, "rollback", {name: {"merged_into": None} for name in names})


def _split_up(store: ExpertStore, name: str) -> None:
    with state.locked(store.root):
        store.versions(name)  # raises where there is no such expert
        members = direct_members(state.read_state(store.root), name)
        if not members:
            raise UsageError(
                f"{name!r} stands for no expert", f"Bring it back with `rollback {name} --to 1`."
            )
        _leave_merged(store, members)


def _merge_again(store: ExpertStore, name: str, version: int) -> None:
    with state.locked(store.root):
        if version not in store.versions(name):
            raise UsageError(
                f"expert {name!r} has no version {version}", f"There are: {store.versions(name)}."
            )
        members = store.manifest(name, version).get("members") or {}
        absent = sorted(set(members) - set(store.names()))
        if absent:
            raise UsageError(
                f"{name!r} was made of {', '.join(absent)}, not in {store.root}",
                "Import them first.",
            )
        require_unchanged(store, members, name)
        updates: dict[str, Update] = {name: {"version": version}}
        updates |= {member: {"merged_into": name} for member in members}
        state.change_all(store.root, "rollback", updates)


def prune(store: ExpertStore) -> dict[str, int]:
    """Delete the weights of every version of what a merged expert stands for now. Returns the bytes freed by expert.

    Manifests stay, and the gates in the same folders. Nothing can be rolled back to a pruned version. What a disabled
    expert keeps out of force is left alone, as it is needed.
    """
    with state.locked(store.root):
        current = state.read_state(store.root)
        originals = [name for name in store.names() if not is_merged(name)]
        expert_for = {name: _active_expert(current, name, originals) for name in originals}
        idle: set[str] = set()
        for active in set(expert_for.values()):
            idle.update(all_members(current, active))
        # What stands for others must be sound itself, or its members are the last good copy.
        for active in {expert_for[name] for name in idle if name in expert_for}:
            store.require_weights(active)
            store.manifest(active)
        # The state first: a kill meanwhile leaves weights too many, never a state that counts on what is gone.
        updates: dict[str, Update] = {
            name: {"pruned": tuple(store.versions(name))} for name in sorted(idle)
        }
        state.change_all(store.root, "prune", updates)
        freed: dict[str, int] = {}
        for name in sorted(idle):
            for version in store.versions(name):
                path = store.folder(name, version) / WEIGHTS
                if path.is_file() and is_whole(path.parent):
                    freed[name] = freed.get(name, 0) + path.stat().st_size
                    path.unlink()
    return freed
