"""A local gate: which entity's pictures is this one nearest to, in the features of the frozen vision tower."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mlubench.core.errors import MlubenchError
from mlubench.core.files import disk_errors, write_json
from mlubench.core.reading import read_json
from mlubench.lumoe.gates.base import Features, Gate, GateQuery, NoPicturesError
from mlubench.lumoe.gates.foreseen import Foreseen
from mlubench.lumoe.gates.risk import threshold_of
from mlubench.lumoe.gates.saved import HINT, EntityKey, SavedGate
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route, Sample, Task

# How far the within-entity covariance is shrunk towards a sphere (0 to 1), since pictures are fewer than features.
SHRINKAGE = 0.5
# The share of the distance to the next entity that counts for a query: how much nearer it is to one than to others.
RIVAL = 0.5
FILE = "prototype.json"
FOLDS = 5  # of cross-fitting

Groups = Mapping[str, Tensor]  # entity -> features of its pictures (n, D)


class SavedPrototypes(SavedGate):
    """The state of the gate, but for its tensors."""

    entities: Annotated[list[EntityKey], Field(min_length=1)]
    # The expert of each entity.
    experts: list[str]
    threshold: Annotated[float, Field(allow_inf_nan=False)]
    risk: float | None = None
    # From which margin on the second look is told of an entity. Older files have none: no entity is suspect.
    suspicion: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_of_this_version(cls, value: object) -> object:
        if isinstance(value, dict) and "entities" in value and "threshold" not in value:
            raise ValueError("the prototype gate of an older version, without a threshold")
        return value

    @model_validator(mode="after")
    def _one_expert_each(self) -> "SavedPrototypes":
        if len(self.experts) != len(self.entities):
            raise ValueError(f"{len(self.entities)} entities and {len(self.experts)} experts")
        return self


class PrototypeGate(Gate):
    """Entities are class means in features whitened by the within-entity covariance (linear discriminant analysis).

    A query's margin is half its distance to the second nearest entity, forget or retain, less that to the nearest forget
    entity: retain pictures so say what "none of these" looks like. It is routed where the margin is above a threshold,
    which is set on margins of pictures that had no part in the means and the whitening they were measured with
    (cross-fitting): `risk.threshold_of` says how. `risk` is the share of forget pictures stated to reach no expert.
    """

    name = "prototype"

    def __init__(self) -> None:
        # Whitening and means, see `state_of`.
        self.state: dict[str, Tensor] = {}
        # The forget entities in the order of their means, and the expert of each.
        self.entities: list[str] = []
        self.experts: list[str] = []
        self.threshold = 0.0
        self.risk: float | None = None
        self.suspicion: float | None = None

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        require_pictures_to_forget(self.name, tasks)
        expert_of = {e.key: task.name for task in tasks for e in task.forget_entities}
        forget = pictures_by_entity([s for t in tasks for s in t.forget])
        # What an earlier task kept may have to go by now.
        retain = pictures_by_entity(
            [s for t in tasks for s in t.retain if s.entity.key not in expert_of]
        )
        groups: dict[str, Tensor] = {}
        for key, samples in {**forget, **retain}.items():
            pictures = [path for s in samples if (path := benchmark.picture(s)) is not None]
            groups[key] = features(pictures).double()
        self.entities = list(forget)
        self.experts = [expert_of[key] for key in forget]
        self.state = state_of(groups, self.entities)
        forget_margins, retain_margins = held_out_margins(groups, self.entities)
        if len(forget_margins) < 2:
            raise MlubenchError(
                "the gate has too few pictures to calibrate on",
                "Use at least two pictures an entity.",
            )
        self.threshold, self.risk = threshold_of(forget_margins, retain_margins, config.max_leak)
        self.suspicion = suspicion_of(retain_margins, self.threshold, config.band)

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        # A query without a picture scores below every query that reaches an expert.
        routes: list[Route] = [Route((), None, -abs(self.threshold), "no picture")] * len(queries)
        rows: list[int] = []
        pictures: list[Path] = []
        for row, query in enumerate(queries):
            if query.image is not None:
                rows.append(row)
                pictures.append(query.image)
        if not rows or not self.entities:
            return routes
        vectors = features(pictures).double()
        found, nearest = margins(vectors, self.state)
        suspects = self._suspects(vectors)
        for n, row in enumerate(rows):
            routes[row] = self._route(float(found[n]), int(nearest[n]), suspects[n])
        return routes

    def _route(self, margin: float, number: int, suspects: tuple[str, ...]) -> Route:
        """`number` is that of the nearest forget entity."""
        entity = self.entities[number]
        score = margin - self.threshold
        if margin > self.threshold:
            why = f"margin {margin:.2f} > {self.threshold:.2f}, nearest {entity}"
            return Route((self.experts[number],), entity, score, why, suspects=suspects)
        why = f"margin {margin:.2f} <= {self.threshold:.2f}, nearest {entity}"
        return Route((), None, score, why, suspects=suspects)

    def _suspects(self, rows: Tensor) -> list[tuple[str, ...]]:
        """For each row (N, D) the forget entities whose margin is above `suspicion`, the nearest first."""
        if self.suspicion is None:
            return [()] * len(rows)
        found = []
        for of_row in margins_of_all(rows, self.state):
            order = of_row.argsort(descending=True).tolist()
            above = [n for n in order if float(of_row[n]) > self.suspicion]
            found.append(tuple(self.entities[n] for n in above))
        return found

    @classmethod
    def saved_bytes(cls, foreseen: Foreseen) -> int:
        """The whitening matrix, (D, D) in float64; the means are small beside it."""
        return 8 * foreseen.features**2

    def save(self, folder: Path) -> None:
        tensors = {key: tensor.contiguous() for key, tensor in self.state.items()}
        with disk_errors(folder, SafetensorError):
            save_file(tensors, folder / "prototype.safetensors")
        state = SavedPrototypes(
            entities=self.entities,
            experts=self.experts,
            threshold=self.threshold,
            risk=self.risk,
            suspicion=self.suspicion,
        )
        write_json(folder / FILE, state.model_dump())

    def load(self, folder: Path) -> None:
        state = read_json(folder / FILE, SavedPrototypes, HINT)
        self.entities = state.entities
        self.experts = state.experts
        self.threshold = state.threshold
        self.risk = state.risk
        self.suspicion = state.suspicion
        self.state = load_file(folder / "prototype.safetensors")
        means = self.state.get("forget")
        if means is None or len(means) != len(self.entities):
            raise MlubenchError(
                f"{folder / 'prototype.safetensors'} holds the means of other entities than prototype.json",
                HINT,
            )


def has_prototypes(folder: Path) -> bool:
    """Whether a gate of this kind was saved there."""
    return (folder / FILE).is_file()


def require_pictures_to_forget(gate: str, tasks: Sequence[Task]) -> None:
    """Raises NoPicturesError where all that is to be forgotten is asked in words alone."""
    if not any(sample.image for task in tasks for sample in task.forget):
        raise NoPicturesError(
            f"gate {gate} looks at pictures, and nothing that is to be forgotten has one",
            "Take a gate that reads: -s gate=hybrid or -s gate=mention.",
        )


def pictures_by_entity(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """One sample for each picture that may be learned from, by entity; entities and pictures in sorted order."""
    learned_from = [s for s in samples if s.image and not s.only_tests]
    pictures = {s.image: s for s in learned_from}
    groups: dict[str, list[Sample]] = {}
    for image in sorted(pictures):
        groups.setdefault(pictures[image].entity.key, []).append(pictures[image])
    return dict(sorted(groups.items()))


def state_of(groups: Groups, forget: Sequence[str]) -> dict[str, Tensor]:
    """Whitening (D, D) and the whitened means of forget (F, D) and retain entities (R, D)."""
    means = {key: rows.mean(0) for key, rows in groups.items()}
    residuals = torch.cat([rows - means[key] for key, rows in groups.items()])
    white = whitening(residuals)
    forgotten = set(forget)
    retain = [key for key in groups if key not in forgotten]
    return {
        "whitening": white,
        "forget": _whitened_means(means, forget, white),
        "retain": _whitened_means(means, retain, white),
    }


def _whitened_means(means: Groups, keys: Sequence[str], white: Tensor) -> Tensor:
    if not keys:
        return torch.zeros(0, 1).double()
    return torch.stack([means[key] for key in keys]) @ white


def whitening(residuals: Tensor) -> Tensor:
    """The matrix that makes the within-entity covariance, shrunk towards a sphere, the identity. (D, D)

    By the residuals' own axes, as pictures are mostly fewer than features; along all others the sphere alone counts.
    """
    _, values, axes = torch.linalg.svd(residuals, full_matrices=False)  # (K,), (K, D)
    variances = values**2 / max(1, len(residuals) - 1)
    width = residuals.shape[1]
    # The mean variance along one of all D axes; the least value keeps pictures that are all alike from dividing by 0.
    sphere = SHRINKAGE * (variances.sum() / width).clamp_min(1e-12)
    # What the residuals' own axes are scaled by beyond what the sphere scales every direction by.
    extra = ((1 - SHRINKAGE) * variances + sphere).rsqrt() - sphere.rsqrt()
    everywhere = sphere.rsqrt() * torch.eye(width, dtype=residuals.dtype)
    return everywhere + axes.T @ (extra[:, None] * axes)


def margins(rows: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """For each row (N, D): the margin (N,), and the number of the nearest forget entity (N,)."""
    white = rows @ state["whitening"]
    retain = state["retain"]
    distances = torch.cdist(white, state["forget"])  # (N, F)
    nearest, number = distances.min(1)
    # To the second nearest forget entity: infinite where there is one alone.
    rival = distances.scatter(1, number[:, None], torch.inf).min(1).values
    if len(retain):
        rival = torch.minimum(rival, torch.cdist(white, retain).min(1).values)
    # Where there is no other entity at all, nearness to the one alone decides.
    rival = rival.nan_to_num(posinf=0.0)
    return RIVAL * rival - nearest, number


def margins_of_all(rows: Tensor, state: Mapping[str, Tensor]) -> Tensor:
    """For each row (N, D) the margin of each forget entity (N, F), as if that one were the nearest."""
    white = rows @ state["whitening"]
    retain = state["retain"]
    distances = torch.cdist(white, state["forget"])  # (N, F)
    nearest = distances.min(1)
    # The nearest other forget entity is the nearest of all, save for the nearest itself.
    rival = nearest.values[:, None].expand_as(distances).clone()
    others = distances.scatter(1, nearest.indices[:, None], torch.inf).min(1).values
    rival.scatter_(1, nearest.indices[:, None], others[:, None])
    if len(retain):
        rival = torch.minimum(rival, torch.cdist(white, retain).min(1).values[:, None])
    return RIVAL * rival.nan_to_num(posinf=0.0) - distances


def suspicion_of(retain_margins: Sequence[float], threshold: float, band: float) -> float | None:
    """The margin that a share `band` of held-out retain pictures exceeds, never above the threshold.

    None where no retain picture says what is usual, or where the band is to be empty.
    """
    if not retain_margins or not band:
        return None
    ranked = sorted(retain_margins, reverse=True)
    return min(threshold, ranked[min(int(band * len(ranked)), len(ranked) - 1)])


def held_out_margins(groups: Groups, forget: Sequence[str]) -> tuple[list[float], list[float]]:
    """Margins of forget and of retain pictures, each by means and whitening made without that fold's pictures."""
    forgotten = set(forget)
    forget_margins: list[float] = []
    retain_margins: list[float] = []
    for fold in range(FOLDS):
        rest = {key: _part(rows, fold, inside=False) for key, rows in groups.items()}
        known = [key for key in forget if len(rest[key])]
        if not known:
            continue
        state = state_of({key: rows for key, rows in rest.items() if len(rows)}, known)
        for key, rows in groups.items():
            held_out = _part(rows, fold, inside=True)
            # An entity without other pictures has no mean that these could be near to.
            if len(held_out) and len(rest[key]):
                found, _ = margins(held_out, state)
                if key in forgotten:
                    forget_margins += found.tolist()
                else:
                    retain_margins += found.tolist()
    return forget_margins, retain_margins


def _part(rows: Tensor, fold: int, *, inside: bool) -> Tensor:
    """The rows of the fold, or all others. Neighbouring rows are in different folds."""
    in_fold = torch.arange(len(rows)) % FOLDS == fold
    return rows[in_fold == inside]
