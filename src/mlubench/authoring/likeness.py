"""How alike two entities look and read, for a split that keeps what resembles what must go."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rapidfuzz import fuzz, process

from mlubench.data.pictures import open_picture

THUMB = 8  # pixels a side: colours and coarse shape, which is what tells a face from a building
LOOKS = 0.5  # how much looks count
READS = 0.5  # how much names and answers count


def likeness(
    entities: Sequence[str], pictures: Mapping[str, Sequence[Path]], texts: Mapping[str, str]
) -> NDArray[np.float64]:
    """(N, N) likeness from 0 to 1 in the order of the entities.

    Half is how their mean thumbnails correlate, half how many words their names and answers share
    (RapidFuzz's token set ratio). No model is asked, so that the same entities are split the same
    way everywhere.
    """
    thumbnails = np.stack([_mean_thumbnail(pictures[key]) for key in entities])
    looks = np.corrcoef(thumbnails)  # (N, N), -1 to 1
    ordered = [texts[key] for key in entities]
    reads = process.cdist(ordered, ordered, scorer=fuzz.token_set_ratio)  # (N, N), 0 to 100
    return np.asarray(LOOKS * (1 + looks) / 2 + READS * reads.astype(np.float64) / 100)


def _mean_thumbnail(pictures: Sequence[Path]) -> NDArray[np.float64]:
    """(THUMB * THUMB * 3,), from 0 to 1."""
    thumbnails = []
    for path in pictures:
        small = open_picture(path).resize((THUMB, THUMB), Image.Resampling.BOX)
        thumbnails.append(np.asarray(small).ravel() / 255)
    # A trace of position: a picture of one colour has no variance and no correlation.
    position = 1e-6 * np.arange(THUMB * THUMB * 3)
    return np.mean(thumbnails, axis=0) + position
