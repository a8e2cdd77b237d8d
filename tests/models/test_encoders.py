"""What layers of vision models say of pictures: of the base's tower, of a folder, of our network for drawn ones."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoImageProcessor, AutoModel

from mlubench.core.errors import MlubenchError
from mlubench.data.render import render
from mlubench.models.adapters import add_adapter
from mlubench.models.encoders import Encoder, folder_encoder, tower_encoder
from mlubench.models.features import FeatureCache, LayerCache, encoder_width
from mlubench.models.sizes import published_shape
from mlubench.models.toy.eye import FOLDER
from mlubench.settings.model import ModelConfig
from mlubench.settings.training import LoraConfig
from support.tiny_parts import save_clip, save_dinov2, save_siglip, save_vision

PICTURES = [render("Animals/Ox", f"{number}.jpg") for number in range(3)]


def test_the_tower_says_each_layer_at_length_one_and_adapters_change_nothing(mllm) -> None:
    encoder = tower_encoder(mllm)
    config = mllm.base.config.vision_config
    rows = encoder(PICTURES)
    assert rows.shape == (3, config.num_hidden_layers * config.hidden_size)
    layers = rows.unflatten(1, (config.num_hidden_layers, -1))
    assert torch.allclose(layers.norm(dim=2), torch.ones(3, config.num_hidden_layers))
    tower = mllm.base.model.vision_tower
    pixels = mllm.processor.image_processor(images=PICTURES, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        last = tower(pixels).last_hidden_state.mean(1)
    assert torch.allclose(layers[:, -1], torch.nn.functional.normalize(last, dim=1), atol=1e-5)
    add_adapter(mllm, "expert", LoraConfig(r=4, alpha=4), "vision", seed=0)
    for name, weight in mllm.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    assert torch.allclose(tower_encoder(mllm)(PICTURES), rows, atol=1e-6)


def test_how_wide_rows_are_is_known_without_weights(mllm, tmp_path: Path) -> None:
    assert encoder_width("tower", mllm) == tower_encoder(mllm)(PICTURES).shape[1]
    shape = published_shape(ModelConfig(path="llava-hf/llava-v1.6-vicuna-7b-hf"))
    assert shape is not None
    # LLaVA-NeXT shows a picture in tiles, so its projected tokens alone are looked at; as wide as its language model.
    assert encoder_width("tower", shape.mllm) == shape.hidden == 4096
    assert encoder_width("drawn", mllm) == folder_encoder(FOLDER)(PICTURES).shape[1]
    for name, save in (("clip", save_clip), ("dinov2", save_dinov2), ("siglip", save_siglip)):
        save(tmp_path / name)
        assert (
            encoder_width(tmp_path / name, mllm)
            == folder_encoder(tmp_path / name)(PICTURES).shape[1]
        )
    with pytest.raises(MlubenchError):
        encoder_width(tmp_path / "nowhere", mllm)


def test_a_folder_with_a_vision_model(tmp_path: Path) -> None:
    save_vision(tmp_path / "clip")
    encoder = folder_encoder(tmp_path / "clip")
    rows = encoder(PICTURES)
    assert rows.isfinite().all()
    assert len(encoder.id) == 64
    assert encoder.id != folder_encoder(FOLDER).id
    with pytest.raises(MlubenchError, match="no image processor"):
        folder_encoder(tmp_path)


@pytest.mark.parametrize("save", [save_clip, save_siglip, save_dinov2])
def test_it_says_the_mean_of_each_layer_that_sees(
    save: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = save(tmp_path / "model")
    rows = folder_encoder(folder)(PICTURES)
    whole = AutoModel.from_pretrained(folder).eval()
    sees = getattr(whole, "vision_model", whole)
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    pixels = processor(images=PICTURES, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        states = sees(pixel_values=pixels, output_hidden_states=True).hidden_states[1:]
    assert len(states) == 2
    expected = [torch.nn.functional.normalize(state.mean(1), dim=1) for state in states]
    assert torch.allclose(rows, torch.cat(expected, 1), atol=1e-6)


@pytest.mark.parametrize("save", [save_clip, save_siglip])
def test_of_a_model_in_two_halves_only_the_one_that_sees_is_needed(
    save: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = save(tmp_path / "model")
    whole = folder_encoder(folder)(PICTURES)
    weights = load_file(folder / "model.safetensors")
    sees = {name: weight for name, weight in weights.items() if name.startswith("vision_model.")}
    assert 0 < len(sees) < len(weights) / 2
    save_file(sees, folder / "model.safetensors", metadata={"format": "pt"})
    assert torch.equal(folder_encoder(folder)(PICTURES), whole)


def test_a_vision_half_with_a_tensor_missing_is_an_error(tmp_path: Path) -> None:
    folder = save_clip(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    del weights["vision_model.embeddings.patch_embedding.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(MlubenchError, match="lacks 1 of its"):
        folder_encoder(folder)


def test_our_network_tells_drawn_things_apart_that_it_has_not_met() -> None:
    encoder = folder_encoder(FOLDER)
    things = [f"Animals/Unmet_{number}" for number in range(20)]
    known = encoder([render(thing, "a.jpg") for thing in things])
    asked = encoder([render(thing, "b.jpg") for thing in things])
    assert (asked @ known.T).argmax(1).tolist() == list(range(20))


def test_rows_are_of_at_most_six_layers_and_any_shape() -> None:
    states = [torch.full((1, 2), float(number)) for number in range(12)]
    states[11] = torch.ones(1, 5, 2)
    states[9] = torch.tensor([[[[3.0]], [[4.0]]]])
    (row,) = Encoder("", lambda _: states)(PICTURES[:1])
    assert len(row) == 6 * 2
    assert row.unflatten(0, (6, 2))[4].tolist() == pytest.approx([0.6, 0.8])


def test_a_picture_is_looked_at_once_and_again_when_it_changes(tmp_path: Path) -> None:
    looked: list[int] = []

    def layers(pictures: list[Image.Image]) -> list[torch.Tensor]:
        looked.append(len(pictures))
        return [torch.tensor([picture.getpixel((0, 0)) for picture in pictures]).float()]

    cache = LayerCache(Encoder("", layers), keep=2)
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        Image.new("RGB", (2, 2), (200, number, 0)).save(path)
    first = cache(paths[:2])
    assert torch.equal(cache([paths[1], paths[0]]), first.flip(0))
    assert looked == [2]
    Image.new("RGB", (3, 2), (0, 0, 90)).save(paths[0])
    assert cache(paths[:1]).tolist() == [[0, 0, 1]]
    cache(paths[2:])
    assert looked == [2, 1, 1]
    # The least recently asked for is gone.
    assert [path for path, _ in cache.rows] == [paths[0], paths[2]]


def test_a_base_keeps_one_cache_for_each_encoder(mllm) -> None:
    features = FeatureCache(mllm)
    assert features.encoded_by("drawn") is features.encoded_by("drawn")
    assert features.encoded_by("tower") is not features.encoded_by("drawn")
