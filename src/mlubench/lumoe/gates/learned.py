"""What a gate learns from things that nobody asked to forget: which differences tell things apart, and how strangers score.

Within-class covariance normalisation (Hatch, Kajarekar and Stolcke 2006), as linear discriminant analysis without leaving
directions out: what differs between pictures of one thing counts for less. Of few things the directions in which they
differ would be too few for others. Learned once for an encoder and a background, and kept in the cache.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
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
VERSION = 4
# How far the within-thing covariance is shrunk towards a sphere (0 to 1).
SHRINKAGE = 0.1
# Directions in which pictures of one thing differ that are kept, at most. In all others they are taken to differ alike.
DIRECTIONS = 1024
PICTURES = 256  # encoded together, which bounds the memory that they take
# Likeness is usual to the mean of so many other things, those that a picture is most like. By the nearest alone a request
# that happens to resemble one of them would be lost.
NEAREST = 5


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """All tensors are float32. D is the width of the encoder's rows."""

    # The encoder's mean over the teaching things. (D,)
    mean: Tensor
    # The directions in which pictures of one thing differ (R, D), and what is added of each to a row, in its lengths (R,).
    directions: Tensor
    gains: Tensor
    # The teaching things (T, D), and each picture of the things that set the threshold by all looks (S, L, D), at length 1.
    things: Tensor
    strangers: Tensor
    # `usual` of the strangers. (S, L)
    usual_of_strangers: Tensor

    def seen(self, rows: Tensor) -> Tensor:
        """An encoder's rows (..., D) in the learned metric, at length 1. A product of two says how alike they are."""
        centred = rows - self.mean
        along = centred @ self.directions.T * self.gains
        return F.normalize(centred + along @ self.directions, dim=-1)

    def usual(self, seen: Tensor) -> Tensor:
        """How like rows (..., D) in the metric are to other things, on the average over the nearest. (...)"""
        likeness = seen @ self.things.T
        return likeness.topk(min(NEAREST, len(self.things)), -1).values.mean(-1)


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
    mean, directions, gains = normalisation(teaching.unflatten(0, (-1, background.pictures)))
    empty = torch.zeros(0)
    metric = Learned(mean, directions, gains, empty, empty, empty)
    pictures = metric.seen(teaching).unflatten(0, (-1, background.pictures))
    things = F.normalize(pictures.mean(1), dim=1)
    looks = numbers_of(parts)
    strangers = metric.seen(_rows(background, encoder, background.setting(), looks))
    strangers = strangers.unflatten(0, (-1, len(looks)))
    taught = replace(metric, things=things, strangers=strangers)
    return replace(taught, usual_of_strangers=taught.usual(strangers))


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


def normalisation(groups: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The mean (D,), directions (R, D) and gains (R,) of `Learned`, from groups (T, P, D): T things with P pictures each.

    But for a factor of all rows, which length 1 takes away, a row is so multiplied by the inverse root of the
    within-thing covariance, which is shrunk towards a sphere.
    """
    rows = groups.double()
    mean = rows.mean((0, 1))
    residuals = (rows - rows.mean(1, keepdim=True)).flatten(0, 1)
    things, pictures, width = groups.shape
    _, lengths, directions = torch.linalg.svd(residuals, full_matrices=False)
    variances = lengths**2 / max(1, things * (pictures - 1))
    # The least value keeps pictures that are all alike from dividing by 0.
    sphere = SHRINKAGE * (variances.sum() / width).clamp_min(1e-12)
    gains = ((1 - SHRINKAGE) * variances / sphere + 1).rsqrt() - 1
    kept = directions[:DIRECTIONS].float().contiguous()
    return mean.float(), kept, gains[:DIRECTIONS].float()
