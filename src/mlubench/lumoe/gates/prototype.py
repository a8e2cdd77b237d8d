"""A local gate: which entity's pictures is this one nearest to, in the features of the frozen vision tower."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mlubench.core.errors import MlubenchError
from mlubench.core.files import read_json, write_json
from mlubench.lumoe.gates.base import Features, Gate, GateQuery
from mlubench.lumoe.gates.risk import threshold_of
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Role, Route, Sample, Task

SHRINKAGE = (
    0.5  # of the within-entity covariance towards a sphere, since pictures are fewer than features
)
RIVAL = 0.5  # share of the distance to the next entity that counts for a query: how much nearer it is than to others
FOLDS = 5
ROLES: tuple[Role, ...] = ("fit", "calibrate")  # never `test`

Groups = Mapping[str, Tensor]  # entity -> features of its pictures (n, D)


class PrototypeGate(Gate):
    """Entities are class means in features whitened by the within-entity covariance (linear discriminant analysis).

    A query's margin is half its distance to the second nearest entity, forget or retain, less that to the nearest forget
    entity: retain pictures so say what "none of these" looks like. It is routed where the margin is above a threshold,
    which is set on margins of pictures that had no part in the means and the whitening they were measured with
    (cross-fitting): `risk.threshold_of` says how. `risk` is the share of forget pictures stated to reach no expert.
    """

    name = "prototype"

    def __init__(self) -> None:
        self.state: dict[str, Tensor] = {}
        self.entities: list[str] = []
        self.experts: list[str] = []
        self.threshold = 0.0
        self.risk: float | None = None

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        expert_of = {e.key: task.name for task in tasks for e in task.forget_entities}
        forget = _by_entity([s for t in tasks for s in t.forget])
        retain = _by_entity([s for t in tasks for s in t.retain if s.entity.key not in expert_of])
        paths = {
            key: [benchmark.picture(s) for s in group]
            for key, group in {**forget, **retain}.items()
        }
        groups = {key: features(pictures).double() for key, pictures in paths.items()}
        self.entities, self.experts = list(forget), [expert_of[key] for key in forget]
        self.state = state_of(groups, self.entities)
        own, other = held_out_margins(groups, self.entities)
        if len(own) < 2:
            raise MlubenchError(
                "the gate has too few pictures to calibrate on",
                "Use at least two pictures an entity.",
            )
        self.threshold, self.risk = threshold_of(own, other, config.max_leak)

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        routes: list[Route] = [Route((), None, -abs(self.threshold), "no picture")] * len(queries)
        seen = [(n, q.image) for n, q in enumerate(queries) if q.image is not None]
        if not seen or not self.entities:
            return routes
        found, nearest = margins(features([image for _, image in seen]).double(), self.state)
        for (n, _), margin, entity in zip(seen, found.tolist(), nearest.tolist(), strict=True):
            hit = margin > self.threshold
            why = f"margin {margin:.2f} {'>' if hit else '<='} {self.threshold:.2f}, nearest {self.entities[entity]}"
            experts = (self.experts[entity],) if hit else ()
            routes[n] = Route(
                experts, self.entities[entity] if hit else None, margin - self.threshold, why
            )
        return routes

    @classmethod
    def saved_bytes(cls, width: int) -> int:
        """The whitening matrix, (D, D) in float64; the means are small beside it."""
        return 8 * width**2

    def save(self, folder: Path) -> None:
        save_file(
            {k: v.contiguous() for k, v in self.state.items()}, folder / "prototype.safetensors"
        )
        facts = {
            "entities": self.entities,
            "experts": self.experts,
            "threshold": self.threshold,
            "risk": self.risk,
        }
        write_json(folder / "prototype.json", facts)

    def load(self, folder: Path) -> None:
        facts = read_json(folder / "prototype.json")
        if "threshold" not in facts:
            raise MlubenchError(
                f"{folder} holds the prototype gate of an older version",
                "Run the experiment anew in another folder.",
            )
        self.entities, self.experts = facts["entities"], facts["experts"]
        self.threshold = facts["threshold"]
        self.risk = facts.get("risk")
        self.state = load_file(folder / "prototype.safetensors")


def _by_entity(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """One sample for each picture that may be learned from, by entity; entities and pictures in sorted order."""
    pictures = {s.image: s for s in samples if s.role in ROLES}
    groups: dict[str, list[Sample]] = {}
    for image in sorted(pictures):
        groups.setdefault(pictures[image].entity.key, []).append(pictures[image])
    return dict(sorted(groups.items()))


def state_of(groups: Groups, forget: Sequence[str]) -> dict[str, Tensor]:
    """Whitening (D, D) and the whitened means of forget (F, D) and retain entities (R, D)."""
    means = {key: rows.mean(0) for key, rows in groups.items()}
    state = {"whitening": whitening(torch.cat([rows - means[key] for key, rows in groups.items()]))}
    for name, keys in (
        ("forget", forget),
        ("retain", [key for key in groups if key not in set(forget)]),
    ):
        stacked = [means[key] for key in keys]
        state[name] = (
            torch.stack(stacked) @ state["whitening"] if stacked else torch.zeros(0, 1).double()
        )
    return state


def whitening(residuals: Tensor) -> Tensor:
    """The matrix that makes the within-entity covariance, shrunk towards a sphere, the identity. (D, D)

    By the residuals' own axes, as pictures are mostly fewer than features; along all others the sphere alone counts.
    """
    _, values, axes = torch.linalg.svd(residuals, full_matrices=False)
    spread = values**2 / max(1, len(residuals) - 1)
    sphere = SHRINKAGE * (spread.sum() / residuals.shape[1]).clamp_min(1e-12)
    extra = ((1 - SHRINKAGE) * spread + sphere).rsqrt() - sphere.rsqrt()
    return sphere.rsqrt() * torch.eye(residuals.shape[1], dtype=residuals.dtype) + axes.T @ (
        extra[:, None] * axes
    )


def margins(rows: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """For each row (N, D): the margin (N,), and the number of the nearest forget entity (N,)."""
    white, retain = rows @ state["whitening"], state["retain"]
    distances = torch.cdist(white, state["forget"])
    near, which = distances.min(1)
    others = distances.scatter(1, which[:, None], torch.inf).min(1).values
    if len(retain):
        others = torch.minimum(others, torch.cdist(white, retain).min(1).values)
    return RIVAL * others.nan_to_num(posinf=0.0) - near, which


def held_out_margins(groups: Groups, forget: Sequence[str]) -> tuple[list[float], list[float]]:
    """Margins of forget and of retain pictures, each by means and whitening made without that fold's pictures."""
    own: list[float] = []
    other: list[float] = []
    for fold in range(FOLDS):
        kept = {key: _part(rows, fold, inside=False) for key, rows in groups.items()}
        known = [key for key in forget if len(kept[key])]
        if not known:
            continue
        state = state_of({key: rows for key, rows in kept.items() if len(rows)}, known)
        for key, rows in groups.items():
            held = _part(rows, fold, inside=True)
            if len(held) and len(kept[key]):
                (own if key in set(forget) else other).extend(margins(held, state)[0].tolist())
    return own, other


def _part(rows: Tensor, fold: int, *, inside: bool) -> Tensor:
    return rows[(torch.arange(len(rows)) % FOLDS == fold) == inside]
