"""No model runs on weights that are missing, of another model, or no numbers; tied ones are no hole."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mlubench.core.errors import MlubenchError
from mlubench.models.examination import problems
from mlubench.models.mllm import MLLM
from mlubench.models.rater import Rater
from mlubench.models.sizes import folder_shape
from mlubench.models.weights import (
    load_weights,
    require_finite,
    require_finite_files,
    require_whole_folder,
)
from support.damaged_models import Tensors, with_file, with_tensors, without

LAYER = "model.language_model.layers"
# What of the folder is left out, how many of its tensors that is, and one of their names.
HOLES = [
    ("language_model.model.layers.1.mlp.down_proj", 1, f"{LAYER}.1.mlp.down_proj.weight"),
    ("language_model.model.layers.0.", 9, f"{LAYER}.0.input_layernorm.weight"),
    ("multi_modal_projector", 4, "model.multi_modal_projector.linear_1.bias"),
    ("vision_tower", 39, "model.vision_tower.embeddings.class_embedding"),
    ("language_model.model.norm", 1, "model.language_model.norm.weight"),
]


def refused(folder: Path) -> str:
    """What the load says of a folder's weights, and the look at its headers too."""
    with pytest.raises(MlubenchError) as error:
        MLLM.load(folder, device="cpu")
    with pytest.raises(MlubenchError) as unread:
        require_whole_folder(folder, folder_shape(folder, "auto").mllm.base)
    assert str(unread.value) == str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(("part", "count", "first"), HOLES)
def test_a_hole_is_an_error_with_number_and_name(
    base_path: Path, tmp_path: Path, part: str, count: int, first: str
) -> None:
    folder = without(base_path, tmp_path / "hole", part)
    said = refused(folder)
    assert f"model {folder} lacks {count} of its 73 tensors (" in said
    assert first in said
    assert "They would be random numbers." in said


def test_whole_models_of_all_families_load(
    base_path: Path, family_folder: Callable[[str], Path]
) -> None:
    """Their heads are tied or not, and their tensors named as before and as today."""
    names = ("llava", "llava_next", "llava_next_mistral", "qwen2_5_vl", "qwen3_vl")
    for folder in (base_path, *map(family_folder, names)):
        require_whole_folder(folder, folder_shape(folder, "auto").mllm.base)
        MLLM.load(folder, device="cpu")


def test_tensors_under_other_names_are_told(base_path: Path, tmp_path: Path) -> None:
    def renamed(tensors: Tensors) -> Tensors:
        return {name.replace("language_model", "text_model"): t for name, t in tensors.items()}

    said = refused(with_tensors(base_path, tmp_path / "renamed", renamed))
    assert "lacks 30 of its 73 tensors (first: lm_head.weight" in said
    assert "holds 29 under names that it does not know (first: text_model." in said


def test_tensors_of_another_shape_are_told(base_path: Path, tmp_path: Path) -> None:
    def cut(tensors: Tensors) -> Tensors:
        name = next(
            name for name in sorted(tensors) if name.endswith("layers.1.mlp.down_proj.weight")
        )
        tensors[name] = tensors[name][:, :8].clone()
        return tensors

    said = refused(with_tensors(base_path, tmp_path / "cut", cut))
    assert "1 tensor(s) of another shape" in said
    assert f"{LAYER}.1.mlp.down_proj.weight is (" in said


def test_a_layer_that_the_settings_cut_off_is_told(base_path: Path, tmp_path: Path) -> None:
    config = json.loads((base_path / "config.json").read_text())
    layers = config["text_config"]["num_hidden_layers"]
    config["text_config"]["num_hidden_layers"] = layers - 1
    folder = with_file(base_path, tmp_path / "fewer", "config.json", json.dumps(config))
    said = refused(folder)
    assert "holds 9 tensor(s) of layers that its config.json does not know" in said
    assert f"{LAYER}.{layers - 1}." in said


def test_tensors_beside_the_model_may_stay(base_path: Path, tmp_path: Path) -> None:
    """As the head of a reward model, and the buffers that old versions saved."""

    def more(tensors: Tensors) -> Tensors:
        extra = {"v_head.summary.weight": torch.ones(1, 4)}
        extra["vision_tower.vision_model.embeddings.position_ids"] = torch.arange(4)
        return {**tensors, **extra}

    folder = with_tensors(base_path, tmp_path / "more", more)
    require_whole_folder(folder, folder_shape(folder, "auto").mllm.base)
    MLLM.load(folder, device="cpu")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_an_error(base_path: Path, tmp_path: Path, value: float) -> None:
    def spoilt(tensors: Tensors) -> Tensors:
        for name in sorted(tensors):
            if name.endswith(("layers.1.mlp.down_proj.weight", "linear_2.bias")):
                tensors[name].view(-1)[0] = value
        return tensors

    folder = with_tensors(base_path, tmp_path / "spoilt", spoilt)
    for dtype in ("auto", "bfloat16"):
        with pytest.raises(MlubenchError) as error:
            MLLM.load(folder, device="cpu", dtype=dtype)
        assert "infinity or what is no number in 2 tensor(s)" in str(error.value)
        assert f"{LAYER}.1.mlp.down_proj.weight" in str(error.value)
        assert "model.multi_modal_projector.linear_2.bias" in str(error.value)
    with pytest.raises(MlubenchError, match=r"no number in 2 tensor\(s\) \(.*linear_2\.bias"):
        require_finite_files(folder)
    (unread,) = problems("spoilt", folder, folder_shape(folder, "auto").mllm.base)
    assert "no number in 2 tensor(s)" in unread.what


def test_many_weights_are_not_read_by_a_dry_run(
    base_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError("a tensor was read")

    monkeypatch.setattr("mlubench.models.weights.safe_open", read)
    with pytest.raises(AssertionError):
        require_finite_files(base_path)
    monkeypatch.setattr("mlubench.models.weights.READ_AT_MOST", 1000)
    require_finite_files(base_path)


def test_huge_numbers_are_numbers() -> None:
    module = torch.nn.Linear(4, 4)
    torch.nn.init.constant_(module.weight, 3e38)  # their sum is more than float32 holds
    require_finite("huge", module)


def test_what_a_hub_has_is_fetched(
    base_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config.json in the hub's cache, without weights yet, is no damage."""
    snapshot = with_file(base_path, tmp_path / "snapshot", "model.safetensors", None)
    monkeypatch.setattr("mlubench.models.weights.local_folder", lambda *_: snapshot)

    class Fetching:
        @staticmethod
        def from_pretrained(path: str, **_: object) -> None:
            raise OSError(f"fetching {path}")

    with pytest.raises(MlubenchError, match="model org/tiny cannot be loaded: fetching org/tiny"):
        load_weights(Fetching, "org/tiny")


@pytest.mark.parametrize("place", ["/nowhere", "a/b/c", "./models"])
def test_a_folder_that_is_not_there_is_told(place: str) -> None:
    with pytest.raises(MlubenchError, match=f"model {place} cannot be loaded: there is no such"):
        MLLM.load(place, device="cpu")


def test_a_rater_is_looked_at_too(base_path: Path, tmp_path: Path) -> None:
    folder = without(base_path, tmp_path / "hole", "language_model.model.layers.0.")
    with pytest.raises(MlubenchError, match="lacks 9 of its 73 tensors"):
        Rater.load(folder, device="cpu")
