"""What a gate learns from things that nobody asked to forget: which differences tell things apart, and how strangers score.

Within-class covariance normalisation (Hatch, Kajarekar and Stolcke 2006), as linear discriminant analysis without leaving
directions out: what differs between pictures of one thing counts for less. Of few things the directions in which they
differ would be too few for others. Learned once for an encoder and a background, and kept in the cache.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional as F

from mlubench.core.cache import cache_root
from mlubench.core.files import digest, write_atomic
from mlubench.data.background import Background
from mlubench.lumoe.gates.guises import COVERED, GUISES, TURNED, in_guise
from mlubench.lumoe.gates.looks import PARTS, numbers_of, part
from mlubench.models.encoders import Encoder

# Raised whenever the code of this file would learn something else from the same pictures.
VERSION = 5
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
    # The teaching things, as they are and turned (T, 1 + turned, D), and each picture of the things that set the threshold
    # by all looks (S, L, D), at length 1.
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
        likeness = likeness_to(self.things, seen)
        return likeness.topk(min(NEAREST, len(self.things)), -1).values.mean(-1)


def likeness_to(means: Tensor, rows: Tensor) -> Tensor:
    """How like rows (..., D) are to things by the likest of what each looks like: means (T, K, D) -> (..., T)."""
    likeness = rows @ means.flatten(0, 1).T
    return likeness.unflatten(-1, means.shape[:2]).amax(-1)


def learned_from(
    background: Background, encoder: Encoder, *, parts: bool = False, guises: bool = False
) -> Learned:
    """What the background teaches about this encoder, from the cache where it is there.

    `parts`: strangers are looked at in parts too. `guises`: teaching things are looked at turned and covered too.
    """
    path = _kept(background, encoder, parts, guises)
    kept = None if path is None else _read(path)
    if kept is not None:
        return kept
    found = _learn(background, encoder, parts, guises)
    if path is not None:
        write_atomic(path, save(asdict(found)))
    return found


def _read(path: Path) -> Learned | None:
    """What was learned before; None where there is nothing, or it was cut off."""
    if not path.is_file():
        return None
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError):
        path.unlink(missing_ok=True)
        return None
    # Copied, so that they lie in memory as those that were just learned: else products may differ in the last bit.
    copies = {name: tensor.clone() for name, tensor in tensors.items()}
    return Learned(**copies)


def _kept(background: Background, encoder: Encoder, parts: bool, guises: bool) -> Path | None:
    """The file of the cache; None for an encoder that nobody knows."""
    if not encoder.id:
        return None
    looks = [PARTS if parts else (), len(GUISES) if guises else 0]
    return (
        cache_root()
        / "gates"
        / f"{digest([background.id, encoder.id, looks, VERSION])}.safetensors"
    )


def _learn(background: Background, encoder: Encoder, parts: bool, guises: bool) -> Learned:
    pictures = _encoded(encoder, _looked_at(background, background.teaching(), numbers_of(False)))
    pictures = pictures.unflatten(0, (-1, background.pictures))  # (T, P, D)
    groups = pictures
    if guises:
        covered = _encoded(encoder, _covered(background)).unflatten(0, (-1, background.pictures))
        groups = torch.cat([pictures, covered], 1)
    mean, directions, gains = normalisation(groups)
    empty = torch.zeros(0)
    metric = Learned(mean, directions, gains, empty, empty, empty)
    things = F.normalize(metric.seen(pictures).mean(1, keepdim=True), dim=2)
    if guises:
        turned = _encoded(encoder, _turned(background)).unflatten(0, (-1, len(TURNED)))
        things = torch.cat([things, metric.seen(turned)], 1)
    looks = numbers_of(parts)
    strangers = _encoded(encoder, _looked_at(background, background.setting(), looks))
    strangers = metric.seen(strangers).unflatten(0, (-1, len(looks)))
    taught = replace(metric, things=things, strangers=strangers)
    return replace(taught, usual_of_strangers=taught.usual(strangers))


def _looked_at(
    background: Background, things: Iterable[str], looks: range
) -> Iterator[Image.Image]:
    """All looks at all pictures of things."""
    for thing in things:
        for picture in background.pictures_of([thing]):
            for number in looks:
                yield part(picture, -number)


def _covered(background: Background) -> Iterator[Image.Image]:
    """Every picture of the teaching things with something across it, one after another in another way."""
    for thing in background.teaching():
        for number, picture in enumerate(background.pictures_of([thing])):
            guise = len(TURNED) + number % len(COVERED)
            yield in_guise(picture, f"{thing}/{number}", guise)


def _turned(background: Background) -> Iterator[Image.Image]:
    """The first picture of each teaching thing in every turn."""
    for thing in background.teaching():
        first = background.picture(thing, 0)
        for number in range(len(TURNED)):
            yield in_guise(first, thing, number)


def _encoded(encoder: Encoder, pictures: Iterator[Image.Image]) -> Tensor:
    """Rows (N, D)."""
    rows = []
    while chunk := list(islice(pictures, PICTURES)):
        rows.append(encoder(chunk))
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
