"""A model's files are looked at before anything is loaded: what is absent, cut or only a pointer is named."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from mlubench.core.errors import MlubenchError
from mlubench.models.folders import damaged_text, read_weight_headers
from mlubench.models.mllm import MLLM
from support.damaged_models import LFS_POINTER, WEIGHTS, with_file

INDEX = "model.safetensors.index.json"
PARTS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


@pytest.fixture
def in_two(base_path: Path, tmp_path: Path) -> Path:
    """The base in two files with an index, as large models are published."""
    folder = tmp_path / "in-two"
    shutil.copytree(base_path, folder)
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = sorted(tensors)
    halves = (names[:30], names[30:])
    weight_map = {}
    for part, half in zip(PARTS, halves, strict=True):
        save_file({name: tensors[name] for name in half}, folder / part, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(half, part)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder


def refused(folder: Path) -> str:
    """What is said of a folder's weights, which a load says too."""
    with pytest.raises(MlubenchError) as error:
        read_weight_headers(folder)
    with pytest.raises(MlubenchError) as at_load:
        MLLM.load(folder, device="cpu")
    assert str(at_load.value) == str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_headers_tell_the_tensors(base_path: Path, in_two: Path) -> None:
    whole = load_file(base_path / WEIGHTS)
    for folder in (base_path, in_two):
        shapes = {name: entry.shape for name, entry in read_weight_headers(folder).items()}
        assert shapes == {name: tuple(tensor.shape) for name, tensor in whole.items()}
    assert MLLM.load(in_two, device="cpu").parts is not None


def test_a_file_cut_short_an_empty_one_and_a_pointer(base_path: Path, tmp_path: Path) -> None:
    size = (base_path / WEIGHTS).stat().st_size
    content = (base_path / WEIGHTS).read_bytes()[: size // 2]
    cut = refused(with_file(base_path, tmp_path / "cut", WEIGHTS, content))
    assert f"cut short: {size // 2:,} of {size:,} bytes. Fetch the model again." in cut
    assert "it is empty" in refused(with_file(base_path, tmp_path / "empty", WEIGHTS, b""))
    pointer = refused(with_file(base_path, tmp_path / "pointer", WEIGHTS, LFS_POINTER))
    assert pointer.endswith(
        "it is a Git LFS pointer, not the file itself. Fetch it with `git lfs pull`."
    )


def test_without_any_weights(base_path: Path, tmp_path: Path) -> None:
    folder = with_file(base_path, tmp_path / "none", WEIGHTS, None)
    assert "lacks 1 file(s) of weights (first: model.safetensors)" in refused(folder)
    # A part of a model that was published in two, without the index.
    shutil.copy(base_path / WEIGHTS, folder / PARTS[0])
    assert "lacks 1 file(s) of weights (first: model.safetensors)" in refused(folder)


def test_an_index_that_names_what_is_not_there(in_two: Path) -> None:
    index = json.loads((in_two / INDEX).read_text())
    index["weight_map"]["of.no.file"] = PARTS[0]
    (in_two / INDEX).write_text(json.dumps(index))
    assert "names 1 tensor(s) that no file holds (first: of.no.file)" in refused(in_two)
    (in_two / PARTS[1]).unlink()
    assert f"lacks 1 file(s) of weights (first: {PARTS[1]})" in refused(in_two)
    (in_two / PARTS[0]).unlink()
    assert f"lacks 2 file(s) of weights (first: {PARTS[0]})" in refused(in_two)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "null", '{"weight_map": []}', '{"weight_map": null}', LFS_POINTER, "[" * 9999],
)
def test_an_index_that_is_none(in_two: Path, content: str) -> None:
    (in_two / INDEX).write_text(content)
    said = refused(in_two)
    assert f"{INDEX} cannot be " in said
    assert ("git lfs pull" in said) is (content == LFS_POINTER)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tokenizer.json", LFS_POINTER, "tokenizer.json is a Git LFS pointer"),
        ("chat_template.jinja", LFS_POINTER, None),
        ("tokenizer.json", "null", "tokenizer.json holds a NoneType, not settings"),
        ("tokenizer_config.json", "[]", "tokenizer_config.json holds a list, not settings"),
        ("processor_config.json", "", "processor_config.json is no JSON"),
        ("config.json", "null", "config.json holds a NoneType, not settings"),
        ("config.json", '{"model_type": ', "config.json is no JSON"),
        ("generation_config.json", "[]", "generation_config.json holds a list"),
    ],
)
def test_damaged_settings_are_named(
    base_path: Path, tmp_path: Path, name: str, content: str, said: str | None
) -> None:
    folder = with_file(base_path, tmp_path / "damaged", name, content)
    with pytest.raises(MlubenchError) as error:
        MLLM.load(folder, device="cpu")
    assert "\n" not in str(error.value)
    if said is not None:
        assert said in str(error.value)
        assert said in str(damaged_text(folder))
    else:
        # A template may be any text: what is wrong with this one is that the question is not in it.
        assert "loses the question" in str(error.value)
    assert damaged_text(base_path) is None
