"""LoRA goes exactly where the scope says, with and without adapters already mounted."""

import re

import pytest
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from mlubench.core.errors import UsageError
from mlubench.core.tables import Entry, Table
from mlubench.models import families
from mlubench.models.adapters import add_adapter
from mlubench.models.families import (
    Parts,
    lora_targets,
    parts_in,
    parts_of,
    whole_modules,
)
from mlubench.models.mllm import MLLM
from mlubench.settings.training import LoraConfig

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
    matched = {
        name for name in names if re.fullmatch(lora_targets(mllm.model, parts_in(scope)), name)
    }
    wanted = {name for name in linear_layers(mllm.model) if name.startswith(INSIDE[scope])}
    assert matched == wanted
    assert wanted and not any("lm_head" in name for name in matched)


@pytest.mark.parametrize("scope", INSIDE)
def test_targets_are_the_same_when_an_adapter_is_mounted(mllm: MLLM, scope: str) -> None:
    before = lora_targets(mllm.base, parts_in(scope))
    add_adapter(mllm, "first", LoraConfig(r=2, alpha=2), scope, seed=0)
    assert lora_targets(mllm.base, parts_in(scope)) == before


@pytest.mark.parametrize("scope", INSIDE)
def test_what_is_trainable_is_lora_of_the_scope(mllm: MLLM, scope: str) -> None:
    wanted = {name for name in linear_layers(mllm.model) if name.startswith(INSIDE[scope])}
    add_adapter(mllm, "first", LoraConfig(r=2, alpha=2), scope, seed=0)
    trainable = [
        n.removeprefix("base_model.model.")
        for n, p in mllm.model.named_parameters()
        if p.requires_grad
    ]
    assert all(".lora_" in name for name in trainable)
    assert {name.split(".lora_")[0] for name in trainable} == wanted


def test_scopes_name_the_parts() -> None:
    parts = Parts(("eyes",), ("bridge",), ("mouth",))
    assert parts.of_scope("vision") == ("eyes", "bridge")
    assert parts.of_scope("all") == ("eyes", "bridge", "mouth")


def test_a_parameter_belongs_to_one_part_also_under_an_adapter(load_family) -> None:
    parts = load_family("qwen3_vl").parts
    for name, part in {
        "model.visual.blocks.0.attn.qkv.weight": "vision",
        "model.visual.patch_embed.proj.weight": "vision",
        "model.visual.merger.linear_fc1.weight": "projector",
        "base_model.model.model.visual.deepstack_merger_list.0.norm.lora_A.A.weight": "projector",
        "base_model.model.model.language_model.layers.1.mlp.up_proj.lora_B.A.weight": "language",
        "model.visual.mergers.weight": None,
        "lm_head.weight": None,
    }.items():
        assert parts.part_of(name) == part


@pytest.mark.parametrize("scope", INSIDE)
@pytest.mark.parametrize("name", ["llava", "llava_next", "qwen2_5_vl", "qwen3_vl"])
def test_every_family_gets_all_linear_layers_of_the_scope_and_no_other(
    load_family, name: str, scope: str
) -> None:
    """Qwen2.5's merger is a Sequential, whose numbers must not stand for layers of the tower."""
    model = load_family(name).model
    parts = parts_of(model)
    targets = lora_targets(model, parts_in(scope))
    matched = {n for n, _ in model.named_modules() if re.fullmatch(targets, n)}
    assert matched == {n for n in linear_layers(model) if parts.part_of(n) in parts_in(scope)}
    assert {parts.part_of(n) for n in matched} == set(parts_in(scope))


def test_no_part_of_a_scope_means_no_target(mllm: MLLM) -> None:
    assert lora_targets(mllm.model, ()) is None
    assert whole_modules(mllm.model, ()) == []


def test_every_parameter_but_head_and_separator_belongs_to_a_part(load_family) -> None:
    for name in ("llava", "llava_next", "qwen2_5_vl", "qwen3_vl"):
        model = load_family(name).model
        rest = {n for n, _ in model.named_parameters() if parts_of(model).part_of(n) is None}
        assert rest <= {"lm_head.weight", "model.image_newline"}
        whole = whole_modules(model, ["vision", "projector", "language"])
        covered = {
            n for n, _ in model.named_parameters() if n.startswith(tuple(f"{w}." for w in whole))
        }
        assert covered | rest == {n for n, _ in model.named_parameters()}


def test_a_scope_without_linear_layers_is_refused(
    mllm: MLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = Parts(("model.nowhere",), ("model.nothing",), ("model.never",))
    table = Table("model family", {"llava": Entry(nowhere, "parts that are not there")})
    monkeypatch.setattr(families, "FAMILIES", table)
    with pytest.raises(UsageError, match=r"no linear layer.*model.nothing"):
        lora_targets(mllm.model, ["projector"])


def test_an_unknown_family_is_refused() -> None:
    words_alone = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=9))
    with pytest.raises(UsageError, match="'gpt2' is not known: no "):
        parts_of(words_alone)


def test_a_row_goes_before_what_is_found(mllm: MLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    named = Parts(("eyes",), ("bridge",), ("mouth",))
    table = Table("model family", {"llava": Entry(named, "parts by other names")})
    monkeypatch.setattr(families, "FAMILIES", table)
    assert parts_of(mllm.model) == named
