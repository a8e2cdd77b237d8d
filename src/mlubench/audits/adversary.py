"""Noise against what a gate sees: found by asking its encoder alone, within a stated bound, and too faint to mind."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

# How far any value of a pixel may be moved, of 255.
BOUND = 8.0
STEPS = 20
# Pairs of opposite directions that are tried in each step.
PAIRS = 16
# How far one is tried, and how far a step goes.
REACH = 4.0
STEP = 1.5
# Directions are drawn in squares, of so many a side: fewer numbers to find, and encoders mind coarse ones more.
SQUARES = 16

Encode = Callable[[Sequence[Image.Image]], Tensor]
Floats = NDArray[np.float64]


def against(encode: Encode) -> Callable[[Image.Image], Image.Image]:
    """A function that moves a picture as far from itself as it can in the rows (N, D) of `encode`.

    Gradients are estimated from pairs of opposite trials (natural evolution strategies, arXiv 1804.08598), so nothing
    of the encoder but its rows is used. The bound is on every value; the same picture always comes out the same.
    """

    def disturb(picture: Image.Image) -> Image.Image:
        clean = np.asarray(picture, dtype=np.float64)
        row = encode([picture])
        rng = np.random.default_rng(0)
        moved = np.zeros_like(clean)
        for _ in range(STEPS):
            directions = [_direction(clean.shape, rng) for _ in range(PAIRS)]
            tried = []
            for direction in directions:
                tried.append(_picture(clean, moved + REACH * direction))
                tried.append(_picture(clean, moved - REACH * direction))
            alike = F.cosine_similarity(encode(tried), row).double().numpy()  # (2 * PAIRS,)
            gradient = np.zeros_like(clean)
            for number, direction in enumerate(directions):
                gradient += (alike[2 * number] - alike[2 * number + 1]) * direction
            # Downhill: the less like itself, the better.
            moved = (moved - STEP * np.sign(gradient)).clip(-BOUND, BOUND)
        return _picture(clean, moved)

    return disturb


def _direction(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Signs in squares, over the whole picture."""
    height, width, colours = shape
    signs = rng.choice((-1.0, 1.0), size=(SQUARES, SQUARES, colours))
    rows = np.arange(height) * SQUARES // height
    columns = np.arange(width) * SQUARES // width
    found: Floats = signs[rows][:, columns]
    return found


def _picture(clean: Floats, moved: Floats) -> Image.Image:
    values = (clean + moved.clip(-BOUND, BOUND)).clip(0, 255)
    return Image.fromarray(values.round().astype(np.uint8))
