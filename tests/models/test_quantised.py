"""Bases in fewer bits: an expert is trained on one, answers routed, and is found again; and what is missing is said."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from shutil import copytree

import pytest
import torch
from torch import nn

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.experiment.model_check.check import check_model
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.models.adapters import add_adapter
from mlubench.models.mllm import MLLM
from mlubench.models.quantised import held_bytes, packed_matrix, parameter_count, saved_method
from mlubench.models.sizes import published_shape
from mlubench.settings.loading import load
from mlubench.settings.model import ModelConfig, Quantization
from mlubench.settings.training import LoraConfig
from support.damaged_models import with_file
from support.runs import PRESET, call

needs_bitsandbytes = pytest.mark.skipif(
    find_spec("bitsandbytes") is None,
    reason="bitsandbytes is not installed: pip install 'mlubench[quantized]'",
)
LORA = LoraConfig(r=4, alpha=4)


@needs_bitsandbytes
@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_the_whole_path_of_a_run(base_path: Path, quantization: Quantization) -> None:
    """Asked, trained in every scope, and mixed with experts in one batch, on a CPU."""
    found = check_model(str(base_path), device="cpu", quantization=quantization)
    assert {
        finding.step: finding.detail for finding in found.findings if finding.outcome != "works"
    } == {}
    assert f"matrices in {quantization}" in found.findings[0].detail


@needs_bitsandbytes
def test_the_language_model_alone_is_in_fewer_bits(base_path: Path, load_base: Callable) -> None:
    quantised = MLLM.load(base_path, device="cpu", quantization="4bit")
    for name, module in quantised.base.named_modules():
        matrix = packed_matrix(module)
        inside = quantised.parts.part_of(name) == "language" and hasattr(module, "in_features")
        assert (matrix is not None) is inside, name
    whole = load_base()
    assert parameter_count(quantised.base) == parameter_count(whole.base)
    # What a plan says beforehand, and what is there.
    planned = held_bytes(whole.base, whole.parts, "4bit")
    scales = sum(
        module.weight.quant_state.absmax.nbytes
        for module in quantised.base.modules()
        if packed_matrix(module) is not None
    )
    assert planned == sum(p.nbytes for p in quantised.base.parameters()) + scales


@needs_bitsandbytes
def test_gradients_flow_through_a_base_that_was_asked(base_path: Path) -> None:
    """What bitsandbytes packs for answers on a CPU lets none through, so nothing is packed."""
    mllm = MLLM.load(base_path, device="cpu", quantization="4bit")
    add_adapter(mllm, "default", LORA, "language", seed=0)
    ids = torch.tensor([[5, 6, 7, 8]])
    for _ in range(2):
        with torch.inference_mode():
            mllm.model(input_ids=ids)
        mllm.model.zero_grad()
        mllm.model(input_ids=ids).logits.sum().backward()
        grads = [
            p.grad
            for name, p in mllm.model.named_parameters()
            if "layers.0" in name and ".lora_B." in name
        ]
        assert grads
        assert all(grad is not None and bool(grad.any()) for grad in grads)


@needs_bitsandbytes
def test_an_expert_is_found_again_on_the_base_that_it_was_trained_on(tmp_path: Path) -> None:
    words = ["methods=[lumoe]", "benchmark.order=[A]", "train.epochs=1", "evaluate.limit=4"]
    settings = [*words, "model.quantization=4bit", "know.enabled=false"]
    flags = [part for setting in settings for part in ("-s", setting)]
    run = tmp_path / "run"
    called = call("run", *PRESET, *flags, "--out", run)
    assert called.code == 0, called.err
    manifest = json.loads((run / "models/lumoe/A/manifest.json").read_text())
    assert manifest["base_quantization"] == "4bit"
    opened = LUMoE.open(run)
    assert opened.mllm.quantization == "4bit"
    answer = opened.answer("What is this?")
    assert answer.text
    # The experts alone, away from the run, know it too; and no other base is taken for it.
    store = copytree(run / "models/lumoe", tmp_path / "store")
    assert LUMoE.open(store).mllm.quantization == "4bit"
    config = load("smoke", ["device=cpu"])
    whole = MLLM.load(opened.mllm.folder, device=config.device)
    whole.name = opened.mllm.name
    with pytest.raises(MlubenchError, match="of quantization 4bit, and this one has none"):
        LUMoE.open(store, whole)


@needs_bitsandbytes
def test_a_quantised_language_model_is_not_trained_whole(base_path: Path) -> None:
    mllm = MLLM.load(base_path, device="cpu", quantization="4bit")
    with pytest.raises(UsageError, match=r"train\.full=language"):
        add_adapter(mllm, "default", LORA, "language", seed=0, full=("language",))


def test_bytes_by_hand() -> None:
    """Vicuna's matrices at half a byte, and a float32 for each 64 of them."""
    shape = published_shape(ModelConfig(path="llava-1.5-7b-hf", dtype="bfloat16"))
    assert shape is not None
    matrices = 32 * (4 * 4096**2 + 3 * 4096 * 11008)
    saved = 2 * matrices - (matrices // 2 + matrices // 16)
    assert shape.bytes_in_four_bits == shape.bytes - saved


def test_what_is_missing_is_said(
    base_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlubench.models.quantised.find_spec", lambda name: None)
    with pytest.raises(UsageError) as error:
        MLLM.load(base_path, device="cpu", quantization="4bit")
    assert str(error.value) == (
        "model.quantization=4bit needs the package bitsandbytes. Install it: pip install 'mlubench[quantized]'."
    )


@pytest.mark.parametrize(
    ("method", "packages"), [("gptq", "gptqmodel, optimum"), ("awq", "gptqmodel")]
)
def test_a_base_that_is_saved_in_fewer_bits_needs_its_package(
    base_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, packages: str
) -> None:
    monkeypatch.setattr("mlubench.models.quantised.find_spec", lambda name: None)
    saved = _saved_by(method, base_path, tmp_path)
    with pytest.raises(MlubenchError) as error:
        MLLM.load(saved, device="cpu")
    assert (
        error.value.what
        == f"model {saved} is saved by {method}, and {packages} is missing, which reads it"
    )
    assert error.value.hint == f"Install it: pip install {packages.replace(',', '')}."


def test_nothing_is_trained_on_a_base_that_is_saved_by_gptq(
    base_path: Path, tmp_path: Path
) -> None:
    """It is said before anything is loaded, in a dry run too."""
    from mlubench.experiment.plan.plan import plan_run

    saved = _saved_by("gptq", base_path, tmp_path)
    plan = plan_run(load("smoke", [*PRESET[2:], f"model.path={saved}"]), tmp_path / "out")
    said = " ".join(missing.what for missing in plan.missing)
    assert "it can be asked, but no expert is trained on it here" in said


def test_a_linear_layer_is_not_packed() -> None:
    assert packed_matrix(nn.Linear(4, 8)) is None
    assert packed_matrix(nn.LayerNorm(4)) is None


def test_how_weights_are_saved(load_base: Callable) -> None:
    assert saved_method(load_base().base.config) is None


def _saved_by(method: str, base: Path, folder: Path) -> Path:
    """A base whose config.json says that its weights are in four bits."""
    config = json.loads((base / "config.json").read_text())
    config["quantization_config"] = {"quant_method": method, "bits": 4, "group_size": 128}
    return with_file(base, folder / method, "config.json", json.dumps(config).encode())
