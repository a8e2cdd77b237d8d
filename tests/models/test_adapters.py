"""Adapters come and go, and the base stays bit for bit what it was."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForImageTextToText

from mlubench.core.errors import MlubenchError
from mlubench.models.adapters import (
    add_adapter,
    load_adapter,
    mounted,
    remove_adapters,
    save_adapter,
)
from mlubench.models.answers import answer_logits
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.settings.training import LoraConfig
from mlubench.types import Benchmark

LORA = LoraConfig(r=4, alpha=8)


def logits(mllm: MLLM, benchmark: Benchmark) -> torch.Tensor:
    samples = benchmark.samples[:40:10]
    batch = mllm.encode(
        [Query(benchmark.picture(s), s.question) for s in samples], [s.truth for s in samples]
    )
    with torch.no_grad():
        return answer_logits(mllm.model, batch)[0]


def shake(mllm: MLLM, name: str, seed: int) -> None:
    """Stands for training: gives the adapter a delta of its own."""
    dice = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, weight in mllm.model.named_parameters():
            if f".lora_B.{name}." in key:
                weight.copy_(0.1 * torch.randn(weight.shape, generator=dice))


def with_experts(mllm: MLLM, *names: str, scope: str = "all") -> None:
    for seed, name in enumerate(names, 1):
        add_adapter(mllm, name, LORA, scope, seed=seed)
        shake(mllm, name, seed)
    mllm.model.eval()


def test_a_fresh_adapter_changes_no_logit_at_all(mllm: MLLM, benchmark: Benchmark) -> None:
    before = logits(mllm, benchmark)
    add_adapter(mllm, "fresh", LORA, "all", seed=0)
    mllm.model.eval()
    assert torch.equal(logits(mllm, benchmark), before)


def test_a_fresh_adapter_is_its_seed(load_base) -> None:
    def made(seed: int) -> dict[str, torch.Tensor]:
        mllm = load_base()
        add_adapter(mllm, "fresh", LORA, "language", seed=seed)
        return {n: p for n, p in mllm.model.named_parameters() if ".lora_A." in n}

    one, same, other = made(1), made(1), made(2)
    assert all(torch.equal(one[n], same[n]) for n in one)
    assert not any(torch.equal(one[n], other[n]) for n in one)


def test_only_the_newest_adapter_is_trainable(mllm: MLLM) -> None:
    with_experts(mllm, "old", "new")
    trainable = [n for n, p in mllm.model.named_parameters() if p.requires_grad]
    assert trainable and all(".new." in n for n in trainable)


def test_saved_and_loaded_it_gives_equal_logits(
    load_base, benchmark: Benchmark, tmp_path: Path
) -> None:
    mllm = load_base()
    base = logits(mllm, benchmark)
    with_experts(mllm, "one")
    save_adapter(mllm, "one", tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    other = load_base()
    load_adapter(other, "renamed", tmp_path)
    assert torch.equal(logits(other, benchmark), logits(mllm, benchmark))
    assert not torch.allclose(logits(mllm, benchmark), base, atol=1e-2)
    assert not any(p.requires_grad for p in other.model.parameters())


def test_loaded_to_be_trained_on(mllm: MLLM, tmp_path: Path) -> None:
    with_experts(mllm, "one")
    save_adapter(mllm, "one", tmp_path)
    remove_adapters(mllm)
    load_adapter(mllm, "one", tmp_path, trainable=True)
    trainable = {n for n, p in mllm.model.named_parameters() if p.requires_grad}
    assert trainable == {n for n, _ in mllm.model.named_parameters() if ".lora_" in n}


def test_peft_loads_the_folder_without_us(
    mllm: MLLM, base_path: Path, benchmark: Benchmark, tmp_path: Path
) -> None:
    with_experts(mllm, "one")
    save_adapter(mllm, "one", tmp_path)
    wanted = logits(mllm, benchmark)
    plain = PeftModel.from_pretrained(
        AutoModelForImageTextToText.from_pretrained(base_path), tmp_path
    ).eval()
    mllm.model = plain
    assert torch.equal(logits(mllm, benchmark), wanted)


def test_removed_adapters_leave_the_base_bit_for_bit(load_base, benchmark: Benchmark) -> None:
    mllm = load_base()
    before, weights = logits(mllm, benchmark), mllm.model.state_dict()
    weights = {name: weight.clone() for name, weight in weights.items()}
    with_experts(mllm, "one", "two")
    remove_adapters(mllm)
    after = mllm.model.state_dict()
    assert list(after) == list(weights)
    assert all(torch.equal(after[name], weights[name]) for name in weights)
    assert torch.equal(logits(mllm, benchmark), before)
    assert not any(p.requires_grad for p in mllm.model.parameters())
    remove_adapters(mllm)  # and once more does nothing
    assert torch.equal(logits(mllm, benchmark), before)


def test_nothing_mounted_is_the_base_bit_for_bit(mllm: MLLM, benchmark: Benchmark) -> None:
    before = logits(mllm, benchmark)
    with_experts(mllm, "one", "two")
    assert not torch.allclose(logits(mllm, benchmark), before, atol=1e-2)
    for earlier in ([], ["one"], ["one", "two"]):  # whatever was mounted before
        with mounted(mllm, earlier):
            logits(mllm, benchmark)
        with mounted(mllm, []):
            assert torch.equal(logits(mllm, benchmark), before)


def test_one_mounted_of_two_is_that_one_alone(
    load_base, benchmark: Benchmark, tmp_path: Path
) -> None:
    mllm = load_base()
    with_experts(mllm, "one", "two")
    save_adapter(mllm, "one", tmp_path)
    alone = load_base()
    load_adapter(alone, "one", tmp_path)
    with mounted(mllm, ["one"]):
        assert torch.equal(logits(mllm, benchmark), logits(alone, benchmark))
        assert not any(p.requires_grad for p in mllm.model.parameters())


def deltas_by_hand(mllm: MLLM, names: list[str]) -> dict[str, torch.Tensor]:
    """Base weights plus alpha/r * B A of each adapter, worked out from the raw matrices."""
    raw = dict(mllm.model.named_parameters())
    weights = {}
    for key in [k for k in raw if k.endswith(".base_layer.weight")]:
        layer = key.removesuffix(".base_layer.weight")
        total = raw[key].detach().clone()
        for name in names:
            down, up = raw[f"{layer}.lora_A.{name}.weight"], raw[f"{layer}.lora_B.{name}.weight"]
            total += LORA.alpha / LORA.r * up.detach() @ down.detach()
        weights[layer.removeprefix("base_model.model.") + ".weight"] = total
    return weights


@pytest.mark.parametrize("names", [["one"], ["one", "two"], ["three", "one"]])
def test_mounted_experts_are_the_sum_of_their_deltas(
    load_base, benchmark: Benchmark, names: list[str]
) -> None:
    mllm, by_hand = load_base(), load_base()
    with_experts(mllm, "one", "two", "three")
    missing = by_hand.model.load_state_dict(deltas_by_hand(mllm, names), strict=False)
    assert not missing.unexpected_keys
    with mounted(mllm, names):
        assert torch.allclose(logits(mllm, benchmark), logits(by_hand, benchmark), atol=2e-4)
    with mounted(mllm, ["two"]):  # and a different set is something else
        assert not torch.allclose(logits(mllm, benchmark), logits(by_hand, benchmark), atol=1e-2)


def test_picture_features_never_see_an_adapter(mllm: MLLM, benchmark: Benchmark) -> None:
    pictures = [benchmark.picture(s) for s in benchmark.samples[:5]]
    before = mllm.picture_features(pictures)
    with_experts(mllm, "one", scope="vision")
    with mounted(mllm, ["one"]):
        assert torch.equal(mllm.picture_features(pictures), before)


def test_an_adapter_that_does_not_fit_is_refused(mllm: MLLM, tmp_path: Path) -> None:
    with pytest.raises(MlubenchError, match="cannot be mounted") as error:
        load_adapter(mllm, "none", tmp_path / "absent")
    assert "\n" not in str(error.value)


def test_after_mounting_the_base_is_back(mllm: MLLM, benchmark: Benchmark) -> None:
    before = logits(mllm, benchmark)
    with_experts(mllm, "one", "two")
    with mounted(mllm, ["two"]):
        logits(mllm, benchmark)
    assert torch.equal(logits(mllm, benchmark), before)


def test_weights_scale_the_deltas_and_are_gone_again(mllm: MLLM, benchmark: Benchmark) -> None:
    with_experts(mllm, "one", "two")
    with mounted(mllm, ["one", "two"]):
        plain = logits(mllm, benchmark)
    with pytest.raises(RuntimeError, match="stop"), mounted(mllm, ["one", "two"], {"one": 0.25}):
        assert not torch.allclose(logits(mllm, benchmark), plain, atol=1e-2)
        raise RuntimeError("stop")
    with mounted(mllm, ["one", "two"]):
        assert torch.equal(logits(mllm, benchmark), plain)
    with mounted(mllm, ["one"]):
        alone = logits(mllm, benchmark)
    with mounted(mllm, ["one"], {"two": 0.5}):  # a weight of what is not mounted
        assert torch.equal(logits(mllm, benchmark), alone)


def test_an_adapter_that_is_not_there_is_an_error(mllm: MLLM) -> None:
    with (
        pytest.raises(MlubenchError, match="no adapter 'one' is on the base"),
        mounted(mllm, ["one"]),
    ):
        pass
    with_experts(mllm, "one")
    with (
        pytest.raises(MlubenchError, match=r"no adapter 'two' .* There are: one"),
        mounted(mllm, ["one", "two"]),
    ):
        pass


def test_a_part_trained_whole_has_no_weight(mllm: MLLM) -> None:
    add_adapter(mllm, "whole", LORA, "all", seed=0, full=["projector"])
    with pytest.raises(MlubenchError, match="no weight"), mounted(mllm, ["whole"], {"whole": 0.5}):
        pass
