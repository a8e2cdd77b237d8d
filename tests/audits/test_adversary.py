"""Noise against an encoder stays within its bound, moves what the encoder says, and is the same every time."""

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from mlubench.audits.adversary import BOUND, against
from mlubench.audits.targets import Targets
from mlubench.data.pictures import open_picture
from mlubench.models.features import open_encoder


def test_it_is_faint_and_moves_further_than_chance(targets: Targets) -> None:
    encoder = open_encoder("drawn")
    picture = open_picture(targets.forgotten[0].picture)
    found = against(encoder)(picture)
    values = np.asarray(picture, dtype=float)
    moved = np.asarray(found, dtype=float) - values
    assert 0 < np.abs(moved).max() <= BOUND
    rng = np.random.default_rng(1)
    by_chance = (values + rng.choice((-BOUND, BOUND), size=values.shape)).clip(0, 255)
    chance = Image.fromarray(by_chance.round().astype(np.uint8))
    clean, attacked, random = encoder([picture, found, chance])
    assert F.cosine_similarity(attacked, clean, dim=0) < F.cosine_similarity(random, clean, dim=0)
    assert np.array_equal(np.asarray(against(encoder)(picture)), np.asarray(found))


def test_where_the_encoder_sees_one_number_the_noise_goes_straight_down() -> None:
    """Of a grey picture with an encoder that says how bright it is, beside a constant: all pixels go one way."""

    def encode(pictures: object) -> torch.Tensor:
        assert isinstance(pictures, list | tuple)
        rows = [[float(np.asarray(picture).mean()) / 100, 1.0] for picture in pictures]
        return torch.tensor(rows)

    grey = Image.new("RGB", (32, 32), (128, 128, 128))
    moved = np.asarray(against(encode)(grey), dtype=float) - 128
    # At random the mean of 768 squares would be about 0.2.
    assert abs(moved.mean()) > 1
