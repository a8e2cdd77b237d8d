"""Sizes without weights: counted by hand, and the same as of the real models."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mlubench.core.errors import MlubenchError
from mlubench.models.adapters import add_adapter
from mlubench.models.folders import local_folder
from mlubench.models.mllm import MLLM
from mlubench.models.published import PUBLISHED
from mlubench.models.sizes import (
    folder_shape,
    published_shape,
    toy_shape,
    trained_bytes,
    with_adapter,
)
from mlubench.settings.model import ModelConfig, ToyConfig
from mlubench.settings.run import Config
from mlubench.settings.training import LoraConfig
from mlubench.types import Benchmark
from mlubench.unlearning.parameters import trained_parameters

RANK = 32
LORA = LoraConfig(r=RANK, alpha=RANK)


def published(name: str):
    shape = published_shape(ModelConfig(path=f"somewhere/{name}", dtype="bfloat16"))
    assert shape is not None
    return shape


def llama_lora(hidden: int, intermediate: int, layers: int) -> int:
    """Four square matrices of attention and three between hidden and intermediate: r x (in + out) each."""
    return layers * RANK * (4 * (hidden + hidden) + 3 * (hidden + intermediate))


def llama(hidden: int, intermediate: int, layers: int, vocabulary: int) -> int:
    """As above without bias, two norms a layer, one at the end, embeddings and head."""
    layer = 4 * hidden**2 + 3 * hidden * intermediate + 2 * hidden
    return layers * layer + hidden + 2 * vocabulary * hidden


# CLIP-L/14 at 336: per layer four square matrices and two of the MLP with biases, two norms; around them the patches, the
# class token, 24 x 24 + 1 positions, and two norms.
CLIP = 24 * (4 * (1024**2 + 1024) + 2 * 1024 * 4096 + 4096 + 1024 + 4 * 1024)
CLIP += 3 * 14 * 14 * 1024 + 1024 + (24 * 24 + 1) * 1024 + 4 * 1024


@pytest.mark.parametrize(
    ("name", "hidden", "intermediate", "layers"),
    [("llava-v1.6-vicuna-7b-hf", 4096, 11008, 32), ("llava-v1.6-vicuna-13b-hf", 5120, 13824, 40)],
)
def test_llava_by_hand(name: str, hidden: int, intermediate: int, layers: int) -> None:
    shape = published(name)
    projector = 1024 * hidden + hidden + hidden**2 + hidden
    newline = hidden  # what LLaVA-v1.6 puts between rows of tiles
    assert (
        shape.parameters == llama(hidden, intermediate, layers, 32064) + CLIP + projector + newline
    )
    assert shape.bytes == 2 * shape.parameters
    assert (shape.dtype, shape.hidden) == ("bfloat16", hidden)
    with with_adapter(shape, LORA, "language") as mllm:
        assert sum(trained_parameters(mllm).values()) == llama_lora(hidden, intermediate, layers)
        assert trained_bytes(mllm) == 4 * llama_lora(
            hidden, intermediate, layers
        )  # float32 on a bfloat16 base


def test_vicuna_7b_adapter_is_this_number() -> None:
    assert llama_lora(4096, 11008, 32) == 79_953_920


def test_qwen3_vl_by_hand() -> None:
    """36 layers: attention 2560 -> 32 heads of 128, 8 heads of keys and of values, and back; MLP 2560 <-> 9728."""
    shape = published("Qwen3-VL-4B-Instruct")
    pairs = [
        (2560, 4096),
        (2560, 1024),
        (2560, 1024),
        (4096, 2560),
        (2560, 9728),
        (2560, 9728),
        (9728, 2560),
    ]
    with with_adapter(shape, LORA, "language") as mllm:
        assert sum(trained_parameters(mllm).values()) == 36 * RANK * sum(a + b for a, b in pairs)
    norms = 36 * (2 * 2560 + 2 * 128) + 2560
    language = (
        36 * sum(a * b for a, b in pairs) + norms + 151936 * 2560
    )  # the head is the embedding, counted once
    base = shape.mllm.base
    assert sum(p.numel() for p in base.model.language_model.parameters()) == language
    assert 4.4e9 < shape.parameters < 4.5e9


@pytest.mark.parametrize("name", PUBLISHED)
def test_nothing_takes_memory_and_adapters_leave_no_trace(name: str) -> None:
    shape = published(name)
    before = {n: p.dtype for n, p in shape.mllm.model.named_parameters()}
    state = torch.random.get_rng_state()
    with with_adapter(shape, LORA, "all", ("projector",)) as mllm:
        parts = {shape.mllm.parts.part_of(n) for n in trained_parameters(mllm)}
        assert parts == {"vision", "projector", "language"}
        assert {p.device.type for p in mllm.model.parameters()} == {"meta"}
    assert {n: p.dtype for n, p in shape.mllm.model.named_parameters()} == before
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("scope", "full"), [("language", ()), ("all", ()), ("vision", ("projector",))]
)
def test_toy_counts_as_the_real_one(
    mllm: MLLM, benchmark: Benchmark, whole_benchmark, smoke_config, scope, full
) -> None:
    toy: ToyConfig = smoke_config.model.toy
    shape = toy_shape(toy, whole_benchmark, "auto")
    assert shape.parameters == sum(p.numel() for p in mllm.model.parameters())
    assert shape.dtype == "float32"
    with with_adapter(shape, LORA, scope, full) as planned:
        add_adapter(mllm, "default", LORA, scope, seed=0, full=full)
        assert trained_parameters(planned) == trained_parameters(mllm)


def test_toy_without_a_benchmark_is_an_upper_bound(
    whole_benchmark: Benchmark, smoke_config: Config
) -> None:
    exact, most = (toy_shape(smoke_config.model.toy, b, "auto") for b in (whole_benchmark, None))
    assert exact.exact
    assert not most.exact
    assert most.parameters >= exact.parameters


@pytest.mark.parametrize("name", ["llava_next", "qwen3_vl"])
def test_a_folder_counts_as_the_loaded_model(
    family_folder: Callable, load_family: Callable, name: str
) -> None:
    folder = family_folder(name)
    assert local_folder(str(folder)) == folder
    assert folder_shape(folder, "auto").parameters == sum(
        p.numel() for p in load_family(name).model.parameters()
    )


def test_what_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert local_folder("nobody/has-this-model") is None
    assert local_folder(str(tmp_path / "a" / "b" / "c")) is None
    assert local_folder(str(tmp_path)) is None  # a folder without config.json
    assert published_shape(ModelConfig(path="nobody/has-this-model")) is None


@pytest.mark.parametrize(
    "text", ["{", "{}", '{"model_type": "bert"}', '{"model_type": "never-heard-of"}']
)
def test_a_config_that_is_no_model_of_this_kind(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(MlubenchError, match=r"config\.json|cannot be loaded|not known"):
        folder_shape(tmp_path, "auto")
