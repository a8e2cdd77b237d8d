"""Tests of likeness: what looks alike and reads alike is more alike than what does not."""

from pathlib import Path

import numpy as np
from PIL import Image

from mlubench.authoring.likeness import likeness


def test_looks_and_words_both_count(tmp_path: Path) -> None:
    colours = {"A/red": (200, 30, 30), "A/rose": (190, 40, 45), "A/blue": (20, 30, 200)}
    pictures = {}
    for key, colour in colours.items():
        path = tmp_path / f"{key[2:]}.png"
        picture = Image.new("RGB", (32, 32), (90, 90, 90))
        picture.paste(colour, (8, 8, 24, 24))
        picture.save(path)
        pictures[key] = [path]
    keys = list(colours)
    same_words = likeness(keys, pictures, dict.fromkeys(keys, "a stone"))
    assert np.allclose(same_words, same_words.T)
    assert np.allclose(np.diag(same_words), 1)
    assert ((same_words >= 0) & (same_words <= 1 + 1e-9)).all()
    assert same_words[0, 1] > same_words[0, 2]
    words = {"A/red": "lives in a river", "A/rose": "a film of 1931", "A/blue": "lives in a river"}
    other_words = likeness(keys, pictures, words)
    assert other_words[0, 1] < same_words[0, 1]
    assert other_words[0, 2] == same_words[0, 2]


def test_pictures_of_one_colour_are_no_error(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.new("RGB", (8, 8), (0, 0, 0)).save(tmp_path / f"{name}.png")
    found = likeness(["a", "b"], {n: [tmp_path / f"{n}.png"] for n in "ab"}, {"a": "x", "b": "y"})
    assert np.isfinite(found).all()
