"""What a consolidation is to merge: which experts, in which groups, how weighted, and what the outcome says of itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import digest, whole_dir
from mlubench.lumoe.experts import compress, state
from mlubench.lumoe.experts.manifest import WEIGHTS, missing_fields, read_facts, writing_versions
from mlubench.lumoe.experts.merging import all_members, free_names
from mlubench.lumoe.experts.renaming import require_todays_names
from mlubench.lumoe.experts.store import ExpertStore, is_merged
from mlubench.runs.manifest import ManifestFacts

Scale = Literal["mean", "root", "sum"]
# The factor on each of n summed deltas is (1 / n) to this power.
_EXPONENTS: dict[Scale, float] = {"mean": 1.0, "root": 0.5, "sum": 0.0}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to merge and how."""

    # None named: all that are on.
    names: tuple[str, ...] = ()
    # How many experts are to be left.
    into: int = 1
    method: Literal["svd", "distil"] = "svd"
    # None: the largest among the members.
    rank: int | None = None
    scale: Scale = "root"
    # Neighbours in the order of the tasks, or experts whose deltas point the same way.
    group: Literal["order", "similar"] = "order"
    # The most that any cell may lose, 0 to 1.
    max_drop: float = 0.02

    def __post_init__(self) -> None:
        if self.into < 1 or (self.rank is not None and self.rank < 1):
            raise UsageError(
                f"into {self.into} and rank {self.rank} must be 1 or more", "Give larger ones."
            )
        if not 0 <= self.max_drop <= 1:
            raise UsageError(f"max_drop {self.max_drop} is no share", "Give 0 to 1.")


@dataclass(frozen=True, slots=True)
class Group:
    """A merged expert to be."""

    name: str
    # The version of each member.
    members: dict[str, int]
    # The experts, as gates name them, that each member stands for: itself, or those that were merged into it.
    originals: dict[str, list[str]]
    rank: int

    @property
    def experts(self) -> list[str]:
        """What it will stand for: originals, as gates name them."""
        return [name for names in self.originals.values() for name in names]


def choose(store: ExpertStore, plan: Plan) -> tuple[list[Group], dict[str, str]]:
    """The groups to merge, and why each expert is left out that was not named. UsageError for what cannot be merged.

    A disabled expert is never merged, nor one that holds a disabled one, nor that of a deletion request: a request may be
    taken out again, and nothing takes it out of a merged expert. A group of one stays as it is.
    """
    current = state.read_state(store.root)
    candidates = [name for name in store.names() if _counts(current, name)]
    left_out: dict[str, str] = {}
    for name in candidates:
        off = [n for n in (name, *all_members(current, name)) if not current.of(n).enabled]
        if off:
            left_out[name] = f"{', '.join(off)} is disabled"
        if read_facts(store.folder(name)).get("requests"):
            left_out[name] = "it answers for a deletion request, which may be taken out again"
    for name in plan.names:
        store.versions(name)  # raises where there is no such expert
        if name not in candidates:
            into = current.of(name).merged_into
            reason = f"is merged into {into}" if into else "stands for no expert any more"
            raise UsageError(
                f"expert {name!r} {reason}", "See `mlubench experts list`, or roll it back first."
            )
        if name in left_out:
            raise UsageError(
                f"expert {name!r} cannot be merged: {left_out[name]}",
                "Leave it out, or switch on what is disabled.",
            )
    if len(set(plan.names)) != len(plan.names):
        raise UsageError("an expert is named twice", "Name each once.")
    wanted = plan.names or candidates
    chosen = [name for name in candidates if name in wanted and name not in left_out]
    if len(chosen) <= plan.into:
        raise UsageError(
            f"{len(chosen)} experts into {plan.into} is no consolidation",
            "Name more experts, or ask for fewer.",
        )
    to_merge = [members for members in _grouped(store, chosen, plan) if len(members) > 1]
    groups = []
    for name, members in zip(free_names(store, len(to_merge)), to_merge, strict=True):
        groups.append(_group(store, name, members, plan.rank))
    return groups, left_out


def _counts(current: state.State, name: str) -> bool:
    """Whether the expert answers for itself: it is not merged into another, and stands for some if it is a merged one.

    A merged one that nothing is merged into has been rolled back.
    """
    if current.of(name).merged_into is not None:
        return False
    return not is_merged(name) or bool(all_members(current, name))


def _grouped(store: ExpertStore, names: Sequence[str], plan: Plan) -> list[list[str]]:
    if plan.group == "order":
        return compress.in_order(names, plan.into)
    deltas = {name: compress.read_deltas(store.folder(name)) for name in names}
    return compress.by_similarity(deltas, plan.into)


def _group(store: ExpertStore, name: str, members: list[str], rank: int | None) -> Group:
    current = state.read_state(store.root)
    originals: dict[str, list[str]] = {}
    for member in members:
        within = all_members(current, member) or [member]
        originals[member] = [n for n in within if not is_merged(n)]
    for member in members:
        store.manifest(member)
        store.require_weights(member)
    versions = {member: store.current(member) for member in members}
    if rank is None:
        rank = max(compress.rank_of(store.folder(member)) for member in members)
    return Group(name, versions, originals, rank)


def merge(store: ExpertStore, group: Group, scale: Scale, out: Path) -> float:
    """Write the group's compressed sum as the PEFT folder `out`. Returns the part of it that was cut off, 0 to 1."""
    # A member that stands for several experts counts as often.
    counts = [len(names) for names in group.originals.values()]
    exponent = _EXPONENTS[scale]
    weights = [(count / sum(counts)) ** exponent for count in counts]
    deltas = [compress.read_deltas(store.folder(member)) for member in group.members]
    total = compress.weighted_sum(deltas, weights)
    small = compress.compress(total, group.rank)
    first = next(iter(group.members))
    with whole_dir(out, {"error": small.relative_error}) as folder:
        compress.write_adapter(small.deltas, store.folder(first), folder)
    return small.relative_error


def facts_of(store: ExpertStore, group: Group, plan: Plan) -> ManifestFacts:
    """What the merged expert's manifest says, but for scores. MlubenchError where members were made for different bases."""
    manifests = {member: store.manifest(member) for member in group.members}
    first = next(iter(manifests.values()))
    entities: set[str] = set()
    tasks: list[str] = []
    for name, facts in manifests.items():
        lacking = missing_fields(facts)
        if lacking:
            raise MlubenchError(
                f"the manifest of expert {name!r} lacks {', '.join(lacking)}", "Make it anew."
            )
        if facts["base"] != first["base"] or facts["base_sha256"] != first["base_sha256"]:
            raise MlubenchError(
                f"expert {name!r} was made for another base than the others",
                "Merge those of one base.",
            )
        require_todays_names(name, facts)
        entities.update(facts["entities"] or ())
        # The longest of the members' sequences is that of the newest.
        if len(facts.get("tasks", [])) > len(tasks):
            tasks = facts["tasks"]
    # A distilled expert is trained, not summed.
    scale = plan.scale if plan.method == "svd" else None
    merged: ManifestFacts = {
        "task": ", ".join(group.experts),
        "tasks": tasks,
        "entities": sorted(entities),
        "method": first["method"],
        "settings": {"consolidate": plan.method, "rank": group.rank, "scale": scale},
        "base": first["base"],
        "base_revision": first["base_revision"],
        "base_sha256": first["base_sha256"],
        "versions": writing_versions(),
        "data_sha256": digest([facts["data_sha256"] for facts in manifests.values()], 64),
        "members": group.members,
        "carries": group.experts,
    }
    if "base_plugins" in first:
        merged["base_plugins"] = first["base_plugins"]
    if "base_quantization" in first:
        merged["base_quantization"] = first["base_quantization"]
    return merged


def weight_bytes(folder: Path) -> int:
    """The size of the expert's weights on disk."""
    return (folder / WEIGHTS).stat().st_size
