"""A LLaVA of parts: tiny ones of the same classes always, the true ones where they have been fetched."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import BatchNorm2d
from transformers import CLIPImageProcessorPil, CLIPVisionModel, LlamaForCausalLM

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.models.examination import problems
from mlubench.models.mllm import MLLM
from mlubench.models.probe import answer_log_probs
from mlubench.models.query import Query
from mlubench.models.real.assembly import LANGUAGE, VISION, Language, Tower, assemble, join
from mlubench.models.real.fetch import part_named, state_of
from mlubench.models.real.tower import EfficientNetLiteConfig, EfficientNetLiteModel
from mlubench.models.sizes import folder_shape
from support.families import MARKED_CHATML, llama_config, qwen_tokenizer
from support.tiny_parts import save_language, save_vision


@pytest.fixture
def true_parts(cache: Path) -> None:
    """Skips the test where the pretrained parts are not in the tests' cache."""
    for name in (VISION, LANGUAGE):
        if state_of(part_named(name)) != "whole":
            pytest.skip(
                f"part {name} is not in {cache}: `mlubench parts fetch` with MLUBENCH_CACHE"
            )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    paths = []
    for name in ("a", "b"):
        path = folder / f"{name}.png"
        Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(path)
        paths.append(path)
    return paths


@pytest.fixture(scope="module")
def language_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_language(tmp_path_factory.mktemp("language"))


@pytest.fixture(scope="module")
def vision_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vision(tmp_path_factory.mktemp("vision"))


def check_whole_path(mllm: MLLM, pictures: list[Path], tokens: int) -> None:
    """Prompt, loss that changes with the picture, features, and answers equal alone and in a batch."""
    queries = [Query(path, "What is this?") for path in pictures]
    batch = mllm.encode(queries, ["A tower.", "A tower."])
    assert (batch["input_ids"] == mllm.base.config.image_token_id).sum().item() == tokens * 2
    assert batch["pixel_values"].dtype == mllm.base.dtype
    first, second = answer_log_probs(mllm, queries, ["A tower.", "A tower."])
    assert first != second
    assert mllm.picture_features(pictures).shape == (2, mllm.base.config.text_config.hidden_size)
    together = mllm.generate(queries, max_new_tokens=3)
    alone = [mllm.generate([query], max_new_tokens=3)[0] for query in queries]
    assert together == alone


def save_with_own_tower(folder: Path) -> EfficientNetLiteModel:
    """A tiny LLaVA with our tower in the folder. Returns the tower."""
    torch.manual_seed(0)
    tokenizer = qwen_tokenizer()
    tower = EfficientNetLiteModel(EfficientNetLiteConfig(image_size=64, grid=2))
    size = {"height": 64, "width": 64}
    processor = CLIPImageProcessorPil(size=size, crop_size=size)
    language = Language(LlamaForCausalLM(llama_config(tokenizer)), tokenizer, MARKED_CHATML)
    # As after ImageNet: statistics that are none of a fresh tower.
    for module in tower.modules():
        if isinstance(module, BatchNorm2d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
    llava, whole = join(Tower(tower, processor, "full", 4), language)
    llava.save_pretrained(folder)
    whole.save_pretrained(folder)
    return tower


def test_the_own_tower_goes_the_whole_way(tmp_path: Path, pictures: list[Path]) -> None:
    tower = save_with_own_tower(tmp_path)
    mllm = MLLM.load(tmp_path, dtype="bfloat16", device="cpu")
    check_whole_path(mllm, pictures, tokens=4)
    again = MLLM.load(tmp_path, device="cpu").model.model.vision_tower
    seen = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again(seen)[0], tower.eval()(seen)[0])
    # What a dry run sees of it.
    assert problems(str(tmp_path), tmp_path, folder_shape(tmp_path, "auto").mllm.base) == []


class UncastingTower(EfficientNetLiteModel):
    """As many a tower from outside: pixels of another precision than its weights are an error."""

    def forward(self, pixel_values: torch.Tensor, **options: object) -> object:
        if pixel_values.dtype != self.dtype:
            raise RuntimeError("Input type (float) and weight type should be the same")
        return super().forward(pixel_values, **options)


def test_pixels_come_in_the_precision_of_the_tower(
    tmp_path: Path, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_with_own_tower(tmp_path)
    mllm = MLLM.load(tmp_path, dtype="bfloat16", device="cpu")
    monkeypatch.setattr(mllm.base.model.vision_tower, "__class__", UncastingTower)
    with pytest.raises(RuntimeError, match="Input type"):
        mllm.base.model.vision_tower(torch.rand(1, 3, 64, 64))
    check_whole_path(mllm, pictures, tokens=4)


def test_folders_of_ones_own_go_the_whole_way(
    tmp_path: Path, vision_folder: Path, language_folder: Path, pictures: list[Path]
) -> None:
    out = tmp_path / "llava"
    assemble(out, vision=vision_folder, language=language_folder)
    mllm = MLLM.load(out, device="cpu")
    # 16 pixels in patches of 4; CLIP's first token is left out.
    check_whole_path(mllm, pictures, tokens=16)
    prompt = mllm.prompt("What is this?")
    assert prompt == "<|im_start|>user\n<image>\nWhat is this?<|im_end|>\n<|im_start|>assistant\n"


def test_the_parts_keep_their_weights(
    tmp_path: Path, vision_folder: Path, language_folder: Path
) -> None:
    out = tmp_path / "llava"
    assemble(out, vision=vision_folder, language=language_folder)
    whole = MLLM.load(out, device="cpu").model.model
    tower = CLIPVisionModel.from_pretrained(vision_folder).state_dict()
    assert all(torch.equal(whole.vision_tower.state_dict()[name], tower[name]) for name in tower)
    layer = LlamaForCausalLM.from_pretrained(language_folder).model.layers[0].mlp.up_proj.weight
    assert torch.equal(whole.language_model.layers[0].mlp.up_proj.weight, layer)


def test_the_seed_draws_the_projector(
    tmp_path: Path, vision_folder: Path, language_folder: Path
) -> None:
    weights = []
    for name, seed in (("first", 0), ("same", 0), ("other", 1)):
        assemble(tmp_path / name, vision=vision_folder, language=language_folder, seed=seed)
        model = MLLM.load(tmp_path / name, device="cpu").model.model
        weights.append(model.multi_modal_projector.linear_1.weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("place", "says"),
    [("vision", "holds no vision model"), ("language", "holds no language model")],
)
def test_a_folder_that_holds_something_else_is_named(
    tmp_path: Path, vision_folder: Path, language_folder: Path, place: str, says: str
) -> None:
    folders = {"vision": vision_folder, "language": language_folder, place: tmp_path / "empty"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(MlubenchError, match=says):
        assemble(tmp_path / "out", **folders)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        assemble(tmp_path)


def test_parts_that_were_not_fetched_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(MlubenchError, match=r"efficientnet-lite0 is absent.*parts fetch"):
        assemble(tmp_path / "out")


@pytest.mark.slow
@pytest.mark.usefixtures("true_parts")
def test_the_true_parts_go_the_whole_way(tmp_path: Path, pictures: list[Path]) -> None:
    assemble(tmp_path / "llava")
    mllm = MLLM.load(tmp_path / "llava", dtype="bfloat16", device="cpu")
    check_whole_path(mllm, pictures, tokens=16)
    # The language model is the one it was: it still knows this in words alone.
    capital = Query(None, "What is the capital of France?")
    assert "Paris" in mllm.generate([capital], max_new_tokens=12)[0]
