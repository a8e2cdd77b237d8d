"""What a gate learns from things that nobody asked to forget: the features by which things differ, and how strangers score.

Linear discriminant analysis (Fisher 1936; Rao 1948): the directions in which things differ most beside how much pictures
of one thing do. Learned once for an encoder and a background, and kept in the cache.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional as F

from mlubench.core.cache import cache_root
from mlubench.core.files import digest, write_atomic
from mlubench.data.background import Background
from mlubench.lumoe.gates.looks import PARTS, numbers_of, part
from mlubench.models.encoders import Encoder

# Raised whenever the code of this file would learn something else from the same pictures.
VERSION = 2
# How far the within-thing covariance is shrunk towards a sphere (0 to 1).
SHRINKAGE = 0.1
# Features that are kept, at most.
WIDTH = 256
# Principal components that the analysis is made in, at most, since it takes the cube of their number.
COMPONENTS = 1024
PICTURES = 256  # encoded together, which bounds the memory that they take


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """All tensors are float32. D is the width of the encoder's rows, K that of what is kept of them."""

    # The encoder's mean over the teaching things (D,), and what turns the difference to it into K features (D, K).
    mean: Tensor
    projection: Tensor
    # The teaching things (T, K), and each picture of the things that set the threshold by all looks (S, L, K), at length 1.
    things: Tensor
    strangers: Tensor

    def seen(self, rows: Tensor) -> Tensor:
        """An encoder's rows (..., D) as K features at length 1. A product of two says how alike they are, -1 to 1."""
        return F.normalize((rows - self.mean) @ self.projection, dim=-1)


def learned_from(background: Background, encoder: Encoder, *, parts: bool = False) -> Learned:
    """What the background teaches about this encoder, from the cache where it is there.

    `parts`: strangers are looked at in parts too.
    """
    path = _kept(background, encoder, parts)
    if path is not None and path.is_file():
        try:
            return Learned(**load_file(path))
        except (OSError, SafetensorError, TypeError):
            path.unlink(missing_ok=True)
    found = _learn(background, encoder, parts)
    if path is not None:
        write_atomic(path, save(asdict(found)))
    return found


def _kept(background: Background, encoder: Encoder, parts: bool) -> Path | None:
    """The file of the cache; None for an encoder that nobody knows."""
    if not encoder.id:
        return None
    made_of = [background.id, encoder.id, PARTS if parts else (), VERSION]
    return cache_root() / "gates" / f"{digest(made_of)}.safetensors"


def _learn(background: Background, encoder: Encoder, parts: bool) -> Learned:
    whole = numbers_of(parts=False)
    teaching = _rows(background, encoder, background.teaching(), whole)
    mean, projection = discriminants(teaching.unflatten(0, (-1, background.pictures)))
    found = Learned(mean, projection, torch.zeros(0), torch.zeros(0))
    things = found.seen(teaching).unflatten(0, (-1, background.pictures))
    looks = numbers_of(parts)
    strangers = found.seen(_rows(background, encoder, background.setting(), looks))
    strangers = strangers.unflatten(0, (-1, len(looks)))
    return Learned(mean, projection, F.normalize(things.mean(1), dim=1), strangers)


def _rows(background: Background, encoder: Encoder, things: Sequence[str], looks: range) -> Tensor:
    """Rows (things x pictures x looks, D)."""
    each = max(1, PICTURES // (background.pictures * len(looks)))
    rows = []
    for start in range(0, len(things), each):
        shown = []
        for picture in background.pictures_of(things[start : start + each]):
            shown += [part(picture, -number) for number in looks]
        rows.append(encoder(shown))
    return torch.cat(rows)


def discriminants(groups: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (D,) and the projection (D, K) of groups (T, P, D): T things, each with P pictures.

    In the projection the within-thing covariance is the identity, but for what it is shrunk by.
    """
    rows = groups.double()
    mean = rows.mean((0, 1))
    centred = rows - mean
    axes = _principal_axes(centred.flatten(0, 1))
    reduced = centred @ axes  # (T, P, C)
    means = reduced.mean(1)
    things, pictures = groups.shape[:2]
    residuals = (reduced - means[:, None]).flatten(0, 1)
    within = residuals.T @ residuals / max(1, things * (pictures - 1))
    sphere = within.diagonal().mean().clamp_min(1e-12)
    eye = torch.eye(len(within), dtype=within.dtype)
    within = (1 - SHRINKAGE) * within + SHRINKAGE * sphere * eye
    between = means.T @ means / max(1, things - 1)
    # Where `within` is the identity, the axes of `between` are those that tell things apart.
    root = torch.linalg.inv(torch.linalg.cholesky(within))
    _, vectors = torch.linalg.eigh(root @ between @ root.T)
    kept = min(WIDTH, things - 1, vectors.shape[1])
    projection = axes @ root.T @ vectors.flip(1)[:, :kept]
    return mean.float(), projection.float()


def _principal_axes(rows: Tensor) -> Tensor:
    """The directions (D, C) of most variance, where there are more than the analysis can take; else all of them."""
    width = rows.shape[1]
    count = min(COMPONENTS, len(rows) - 1)
    if width <= count:
        return torch.eye(width, dtype=rows.dtype)
    _, vectors = torch.linalg.eigh(rows.T @ rows)
    return vectors.flip(1)[:, :count]
