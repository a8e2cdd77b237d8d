"""LoRA goes exactly where the scope says, with and without adapters already mounted."""

import re
from types import SimpleNamespace

import pytest
from torch import nn

from mlubench.config import LoraConfig
from mlubench.errors import UsageError
from mlubench.models.adapters import add_adapter
from mlubench.models.hf import MLLM
from mlubench.models.parts import FAMILIES, lora_targets, parts_of

INSIDE = {
    "language": ("model.language_model.",),
    "projector": ("model.multi_modal_projector.",),
    "vision": ("model.vision_tower.", "model.multi_modal_projector."),
    "all": ("model.language_model.", "model.multi_modal_projector.", "model.vision_tower."),
}


def linear_layers(model: nn.Module) -> set[str]:
    return {name for name, module in model.named_modules() if isinstance(module, nn.Linear)}


@pytest.mark.parametrize("scope", INSIDE)
def test_targets_are_all_linear_layers_of_the_scope_and_no_other(mllm: MLLM, scope: str) -> None:
    names = {name for name, _ in mllm.model.named_modules()}
    matched = {name for name in names if re.fullmatch(lora_targets(mllm.model, scope), name)}
    wanted = {name for name in linear_layers(mllm.model) if name.startswith(INSIDE[scope])}
    assert matched == wanted
    assert wanted and not any("lm_head" in name for name in matched)


@pytest.mark.parametrize("scope", INSIDE)
def test_targets_are_the_same_when_an_adapter_is_mounted(mllm: MLLM, scope: str) -> None:
    before = lora_targets(mllm.base, scope)
    add_adapter(mllm, "first", LoraConfig(r=2, alpha=2), scope, seed=0)
    assert lora_targets(mllm.base, scope) == before


@pytest.mark.parametrize("scope", INSIDE)
def test_what_is_trainable_is_lora_of_the_scope(mllm: MLLM, scope: str) -> None:
    wanted = {name for name in linear_layers(mllm.model) if name.startswith(INSIDE[scope])}
    add_adapter(mllm, "first", LoraConfig(r=2, alpha=2), scope, seed=0)
    trainable = [n.removeprefix("base_model.model.") for n, p in mllm.model.named_parameters() if p.requires_grad]
    assert all(".lora_" in name for name in trainable)
    assert {name.split(".lora_")[0] for name in trainable} == wanted


def test_scopes_name_the_parts() -> None:
    for parts in FAMILIES.values():
        assert parts.of_scope("vision") == (parts.vision, parts.projector)
        assert set(parts.of_scope("all")) == {parts.vision, parts.projector, parts.language}


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'gpt2' is not known.*llava"):
        parts_of(SimpleNamespace(config=SimpleNamespace(model_type="gpt2")))
