"""A local gate: which entity's pictures is this one nearest to, in the features of the frozen vision tower."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mlubench.artifacts import read_json, write_json
from mlubench.config import GateConfig
from mlubench.errors import MlubenchError
from mlubench.lumoe.gates.base import Features, GateQuery
from mlubench.types import Benchmark, Role, Route, Sample, Task

SHRINKAGE = 0.5  # of the within-entity covariance towards a sphere, since pictures are fewer than features
OUTLIERS = 0.01  # of the retain entities' calibration pictures, which may lie within the radius


class PrototypeGate:
    """Entities are class means in features whitened by the within-entity covariance (linear discriminant analysis).

    A query belongs to the nearest forget entity if that is nearer than every retain entity and nearer than `radius`; the
    score is by how much. The radius is set on `calibrate` pictures, which took no part in the fit: it holds all but
    `max_leak` of those of forget entities, by the conformal rule, and where those of retain entities leave room it lies
    half-way to them, since few pictures tell little about the tail.
    """

    name = "prototype"

    def __init__(self) -> None:
        self.state: dict[str, Tensor] = {}
        self.entities: list[str] = []
        self.experts: list[str] = []
        self.radius = 0.0

    def fit(self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig) -> None:
        expert_of = {e.key: task.name for task in tasks for e in task.forget_entities}
        forget = _by_entity([s for t in tasks for s in t.forget], "fit")
        retain = _by_entity([s for t in tasks for s in t.retain], "fit")
        groups = {
            key: features([benchmark.picture(s) for s in samples]).double()
            for key, samples in {**forget, **retain}.items()
        }
        self.entities, self.experts = list(forget), [expert_of[key] for key in forget]
        means = {key: rows.mean(0) for key, rows in groups.items()}
        self.state = {"whitening": _whitening(torch.cat([rows - means[key] for key, rows in groups.items()]))}
        for name, keys in (("forget", forget), ("retain", retain)):
            stacked = [means[key] for key in keys]
            self.state[name] = torch.stack(stacked) @ self.state["whitening"] if stacked else torch.zeros(0, 1)
        self.radius = self._calibrated_radius(tasks, benchmark, features, config.max_leak)

    def _calibrated_radius(self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, risk: float) -> float:
        forget = self._nearest([s for t in tasks for s in t.forget], benchmark, features)
        retain = self._nearest([s for t in tasks for s in t.retain], benchmark, features)
        if not len(forget):
            raise MlubenchError("the gate has no calibration picture", "Use at least three pictures an entity.")
        rank = min(len(forget), math.ceil((len(forget) + 1) * (1 - risk)))
        inner = float(forget[rank - 1])
        outer = float(retain[math.floor(len(retain) * OUTLIERS)]) if len(retain) else inner
        return max(inner, (inner + outer) / 2)

    def _nearest(self, samples: Sequence[Sample], benchmark: Benchmark, features: Features) -> Tensor:
        """Distance of each calibration picture to the nearest forget prototype, in rising order. (N,)"""
        paths = [benchmark.picture(s) for group in _by_entity(samples, "calibrate").values() for s in group]
        return self._distances(features(paths))[0].min(1).values.sort().values if paths else torch.zeros(0)

    def _distances(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (N, F) to the forget prototypes and (N, R) to the retain prototypes."""
        white = rows.double() @ self.state["whitening"]
        retain = self.state["retain"]
        far = torch.full((len(rows), 1), torch.inf, dtype=torch.double)
        return torch.cdist(white, self.state["forget"]), torch.cdist(white, retain) if len(retain) else far

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        routes: list[Route] = [Route((), None, -self.radius, "no picture")] * len(queries)
        seen = [(n, q.image) for n, q in enumerate(queries) if q.image is not None]
        if not seen or not self.entities:
            return routes
        forget, retain = self._distances(features([image for _, image in seen]))
        near, which = forget.min(1)
        limit = retain.min(1).values.clamp(max=self.radius)
        for (n, _), distance, entity, bound in zip(seen, near.tolist(), which.tolist(), limit.tolist(), strict=True):
            hit = distance < bound
            edge = "the nearest retain entity" if bound < self.radius else "the radius"
            why = f"distance {distance:.2f} {'<' if hit else '>='} {bound:.2f}, {edge}"
            experts = (self.experts[entity],) if hit else ()
            routes[n] = Route(experts, self.entities[entity] if hit else None, bound - distance, why)
        return routes

    def save(self, folder: Path) -> None:
        save_file({k: v.contiguous() for k, v in self.state.items()}, folder / "prototype.safetensors")
        write_json(
            folder / "prototype.json", {"entities": self.entities, "experts": self.experts, "radius": self.radius}
        )

    def load(self, folder: Path) -> None:
        facts = read_json(folder / "prototype.json")
        self.entities, self.experts, self.radius = facts["entities"], facts["experts"], facts["radius"]
        self.state = load_file(folder / "prototype.safetensors")


def _by_entity(samples: Sequence[Sample], role: Role) -> dict[str, list[Sample]]:
    """One sample for each picture of that role, by entity; entities and pictures in sorted order."""
    pictures = {s.image: s for s in samples if s.role == role}
    groups: dict[str, list[Sample]] = {}
    for image in sorted(pictures):
        groups.setdefault(pictures[image].entity.key, []).append(pictures[image])
    return dict(sorted(groups.items()))


def _whitening(residuals: Tensor) -> Tensor:
    """The matrix that makes the within-entity covariance, shrunk towards a sphere, the identity. (D, D)"""
    covariance = residuals.T @ residuals / max(1, len(residuals) - 1)
    sphere = covariance.diagonal().mean().clamp_min(1e-12) * torch.eye(len(covariance), dtype=covariance.dtype)
    values, vectors = torch.linalg.eigh((1 - SHRINKAGE) * covariance + SHRINKAGE * sphere)
    return vectors / values.sqrt()
