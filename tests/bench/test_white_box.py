"""Noise by gradients: the gate's own encoder is followed, the bound is kept, and the score falls as far as it may."""

import numpy as np
import pytest
import torch
from PIL import Image

import white_box
from mlubench.data.render import render
from mlubench.models.features import open_encoder


@pytest.fixture(scope="module")
def emblem() -> Image.Image:
    return render("Animals/Cat", "a.jpg")


def pixels_of(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(picture, dtype=np.float32)).permute(2, 0, 1)[None]


def test_the_eye_with_gradients_sees_what_the_encoder_sees(emblem: Image.Image) -> None:
    ours = white_box.eye_with_gradients()(pixels_of(emblem))
    theirs = open_encoder("drawn")([emblem])
    assert torch.cosine_similarity(ours, theirs).item() > 0.99


def test_within_the_bound_the_score_falls(emblem: Image.Image) -> None:
    rows = white_box.eye_with_gradients()
    another = rows(pixels_of(render("Animals/Cat", "b.jpg"))).detach()

    def likeness(pixels: torch.Tensor) -> torch.Tensor:
        return (rows(pixels) * another).sum()

    moved = white_box.moved_down(emblem, likeness, 32)
    difference = np.asarray(moved, dtype=int) - np.asarray(emblem, dtype=int)
    assert 0 < np.abs(difference).max() <= 32
    assert likeness(pixels_of(emblem)).item() > 0.9
    assert likeness(pixels_of(moved)).item() < 0.3
    same = white_box.moved_down(emblem, likeness, 0)
    assert np.array_equal(np.asarray(same), np.asarray(emblem))
