"""What a consolidation is to merge: which experts, in which groups, how weighted, and what the outcome says of itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import digest, whole_dir
from mlubench.lumoe.experts import compress, state
from mlubench.lumoe.experts.manifest import WEIGHTS, missing_fields
from mlubench.lumoe.experts.merging import free_names, within
from mlubench.lumoe.experts.store import ExpertStore, is_merged

Scale = Literal["mean", "root", "sum"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to merge and how. `names` none: all that are on. `rank` None: the largest among the members.

    `scale` is the factor on each of n summed deltas: 1/n, 1/sqrt(n) or 1. `max_drop` bounds the loss of every cell, 0 to 1.
    """

    names: tuple[str, ...] = ()
    into: int = 1
    method: Literal["svd", "distil"] = "svd"
    rank: int | None = None
    scale: Scale = "root"
    group: Literal["order", "similar"] = "order"
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
    """A merged expert to be: its name, the versions of its members, the experts that each carries, and its rank."""

    name: str
    members: dict[str, int]
    carried: dict[str, list[str]]
    rank: int

    @property
    def experts(self) -> list[str]:
        """What it will stand for: originals, as gates name them."""
        return [n for names in self.carried.values() for n in names]


def choose(store: ExpertStore, plan: Plan) -> tuple[list[Group], dict[str, str]]:
    """The groups to merge, and why each expert is left out that was not named. UsageError for what cannot be merged.

    A disabled expert is never merged, nor one that holds a disabled one. A group of one stays as it is.
    """
    told = state.read_state(store.root)
    units = [n for n in store.names() if told.of(n).merged_into is None]
    # A merged one that nothing was merged into has been rolled back: it stands for nobody.
    units = [n for n in units if not is_merged(n) or within(told, n)]
    left = {n: why for n in units if (why := _disabled(store, n))}
    for name in plan.names:
        store.versions(name)
        if name not in units:
            into = told.of(name).merged_into
            now = f"is merged into {into}" if into else "stands for no expert any more"
            raise UsageError(
                f"expert {name!r} {now}", "See `mlubench experts list`, or roll it back first."
            )
        if name in left:
            raise UsageError(
                f"expert {name!r} cannot be merged: {left[name]}", "Switch it on first."
            )
    if len(set(plan.names)) != len(plan.names):
        raise UsageError("an expert is named twice", "Name each once.")
    chosen = [n for n in units if n not in left and (not plan.names or n in plan.names)]
    if len(chosen) <= plan.into:
        raise UsageError(
            f"{len(chosen)} experts into {plan.into} is no consolidation",
            "Name more experts, or ask for fewer.",
        )
    grouped = [group for group in _grouped(store, chosen, plan) if len(group) > 1]
    names = free_names(store, len(grouped))
    return [_group(store, n, g, plan.rank) for n, g in zip(names, grouped, strict=True)], left


def _disabled(store: ExpertStore, name: str) -> str | None:
    told = state.read_state(store.root)
    off = [n for n in (name, *within(told, name)) if not told.of(n).enabled]
    return f"{', '.join(off)} is disabled" if off else None


def _grouped(store: ExpertStore, names: Sequence[str], plan: Plan) -> list[list[str]]:
    if plan.group == "order":
        return compress.in_order(names, plan.into)
    return compress.by_similarity(
        {n: compress.read_deltas(store.folder(n)) for n in names}, plan.into
    )


def _group(store: ExpertStore, name: str, members: list[str], rank: int | None) -> Group:
    told = state.read_state(store.root)
    carried = {m: [n for n in (within(told, m) or [m]) if not is_merged(n)] for m in members}
    for member in members:
        store.manifest(member)
        store.require_weights(member)
    wanted = rank or max(compress.rank_of(store.folder(m)) for m in members)
    return Group(name, {m: store.current(m) for m in members}, carried, wanted)


def merge(store: ExpertStore, group: Group, scale: Scale, out: Path) -> float:
    """Write the group's compressed sum as the PEFT folder `out`. Returns the part of it that was cut off, 0 to 1."""
    counts = [len(names) for names in group.carried.values()]
    share = {"mean": 1.0, "root": 0.5, "sum": 0.0}[scale]
    deltas = [compress.read_deltas(store.folder(m)) for m in group.members]
    total = compress.weighted_sum(deltas, [(n / sum(counts)) ** share for n in counts])
    small = compress.compress(total, group.rank)
    with whole_dir(out, {"error": small.relative_error}) as folder:
        compress.write_adapter(small.deltas, store.folder(next(iter(group.members))), folder)
    return small.relative_error


def facts_of(store: ExpertStore, group: Group, plan: Plan) -> dict[str, Any]:
    """What the merged expert's manifest says, but for scores. MlubenchError where members were made for different bases."""
    told = {m: store.manifest(m) for m in group.members}
    first = next(iter(told.values()))
    for name, facts in told.items():
        if lacking := missing_fields(facts):
            raise MlubenchError(
                f"the manifest of expert {name!r} lacks {', '.join(lacking)}", "Make it anew."
            )
        if any(facts[key] != first[key] for key in ("base", "base_sha256")):
            raise MlubenchError(
                f"expert {name!r} was made for another base than the others",
                "Merge those of one base.",
            )
    return {
        "task": ", ".join(group.experts),
        "tasks": max((facts.get("tasks", []) for facts in told.values()), key=len),
        "entities": sorted({e for facts in told.values() for e in facts["entities"]}),
        "method": first["method"],
        "settings": {"consolidate": plan.method, "rank": group.rank, "scale": plan.scale if plan.method == "svd" else None},
        "base": first["base"],
        "base_revision": first["base_revision"],
        "base_sha256": first["base_sha256"],
        "data_sha256": digest([facts["data_sha256"] for facts in told.values()], 64),
        "members": group.members,
        "carries": group.experts,
    }  # fmt: skip


def weight_bytes(folder: Path) -> int:
    return (folder / WEIGHTS).stat().st_size
