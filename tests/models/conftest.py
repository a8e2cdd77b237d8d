"""Folders of real families at tiny sizes, made once, and pictures of different shapes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def load_family(family_folder: Callable[[str], Path]):
    """Makes as many fresh, untouched models of a family as a test wants."""
    from mlubench.models.mllm import MLLM

    def load(name: str, dtype: str = "auto") -> MLLM:
        return MLLM.load(family_folder(name), dtype=dtype, device="cpu")

    return load


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four pictures of noise: wide, high, square and large, square and small."""
    folder, dice = tmp_path_factory.mktemp("shapes"), np.random.default_rng(0)
    paths = []
    for width, height in ((44, 30), (20, 50), (96, 96), (17, 17)):
        path = folder / f"{width}x{height}.png"
        Image.fromarray(dice.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
        paths.append(path)
    return paths
