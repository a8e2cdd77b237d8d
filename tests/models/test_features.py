"""Tests of kept picture features, on the real tower."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from mlubench.core.files import file_sha256
from mlubench.models.features import FeatureCache
from mlubench.models.mllm import MLLM
from mlubench.types import Benchmark


@pytest.fixture
def pictures(benchmark: Benchmark) -> list[Path]:
    return [benchmark.picture(s) for s in {s.entity: s for s in benchmark.samples}.values()][:3]


def test_a_changed_picture_is_looked_at_again_and_few_are_kept(
    mllm: MLLM, pictures: list[Path], tmp_path: Path
) -> None:
    cache = FeatureCache(mllm, keep=2)
    path = tmp_path / "one.jpg"
    path.write_bytes(pictures[0].read_bytes())
    first = cache([path])
    assert torch.equal(cache([path, path])[1], first[0])
    path.write_bytes(pictures[1].read_bytes())
    assert torch.equal(cache([path]), mllm.picture_features([pictures[1]]))
    assert not torch.equal(cache([path]), first)
    assert len(cache(pictures)) == 3
    assert list(cache.rows) == sorted(pictures)[1:]


def test_a_later_process_computes_only_what_is_new(
    load_base, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "features.safetensors"
    first = FeatureCache(load_base())
    rows = first(pictures[:2])
    first.save(path)
    later, looked = FeatureCache(load_base()), []
    later.load(path)
    features = MLLM.picture_features
    monkeypatch.setattr(
        MLLM, "picture_features", lambda self, paths: looked.extend(paths) or features(self, paths)
    )
    assert torch.equal(later(pictures)[:2], rows)
    assert looked == [pictures[2]]
    later.save(path)
    again = FeatureCache(load_base())
    again.load(path)
    assert len(again.known) == 3


def test_features_of_a_picture_that_was_read_otherwise_count_for_nothing(
    load_base, pictures: list[Path], tmp_path: Path
) -> None:
    """Earlier versions kept them by the hash of the file alone, and saw a transparent picture without its white."""
    clear = tmp_path / "clear.png"
    with Image.open(pictures[0]) as picture:
        picture.putalpha(0)
        picture.save(clear)
    path = tmp_path / "features.safetensors"
    cache = FeatureCache(load_base())
    cache.known = {file_sha256(file): torch.zeros(4) for file in (clear, pictures[1])}
    cache.save(path)
    later = FeatureCache(load_base())
    later.load(path)
    assert torch.equal(later([pictures[1]]), torch.zeros(1, 4))
    white = tmp_path / "white.png"
    with Image.open(clear) as picture:
        Image.new("RGB", picture.size, "white").save(white)
    assert torch.equal(later([clear]), later([white]))


def test_features_of_another_base_or_a_broken_file_count_for_nothing(
    load_base, pictures: list[Path], tmp_path: Path
) -> None:
    path = tmp_path / "features.safetensors"
    cache = FeatureCache(load_base())
    cache(pictures)
    cache.save(path)
    other = FeatureCache(load_base())
    other.mllm._hashes = {"model.safetensors": "0" * 64}
    other.load(path)
    assert not other.known
    path.write_bytes(path.read_bytes()[:100])
    cache.load(path)
    assert not cache.known
    assert not path.exists()
