"""Processors load without what only films need, and keep their settings."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlubench.models.processors import load_processor


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("internvl", "image_seq_length", 4),
        ("smolvlm", "image_seq_len", 4),
        ("llava_onevision", "num_image_tokens", 16),
        ("llava_onevision", "vision_feature_select_strategy", "full"),
    ],
)
def test_settings_are_read_though_films_are_left_out(
    family_folder: Callable[[str], Path], name: str, setting: str, value: object
) -> None:
    processor = load_processor(family_folder(name))
    assert getattr(processor, setting) == value
    assert "video_processor" not in processor.get_attributes()


@pytest.mark.parametrize("name", ["qwen3_vl", "internvl", "smolvlm"])
def test_what_is_saved_is_the_familys_own(
    family_folder: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    first = load_processor(family_folder(name))
    first.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes((family_folder(name) / "config.json").read_bytes())
    again = load_processor(tmp_path)
    assert type(again) is type(first)
    assert again.image_processor.to_dict() == first.image_processor.to_dict()
