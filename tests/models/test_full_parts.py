"""A part trained whole: saved whole, loaded whole, and as an expert never in the way of the base or of other experts."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from mlubench.core.errors import MlubenchError
from mlubench.core.files import whole_dir
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.models.adapters import (
    add_adapter,
    load_adapter,
    mounted,
    remove_adapters,
    save_adapter,
)
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.settings.training import LoraConfig
from mlubench.types import Benchmark, Part, Scope
from support.short_training import said, step

Load = Callable[..., MLLM]
LORA = LoraConfig(r=4, alpha=4)
FULL = {
    ("projector", ("projector",)): "projector alone",
    ("all", ("projector",)): "projector, LoRA elsewhere",
    ("vision", ("vision",)): "tower",
}
# One expert of LoRA alone, two that train the projector whole.
EXPERTS: dict[str, tuple[Scope, tuple[Part, ...]]] = {
    "A": ("language", ()),
    "B": ("all", ("projector",)),
    "C": ("all", ("projector",)),
}


def logits(mllm: MLLM, shapes: list[Path]) -> Tensor:
    asked = [Query(p, q) for p, q in zip(shapes, ["What?", "Who made it?"], strict=False)]
    return said(mllm, asked, ["It is a building.", "I do not know."])


def trained(
    mllm: MLLM, name: str, benchmark: Benchmark, work: Path, scope: Scope, full: tuple[Part, ...]
) -> MLLM:
    add_adapter(mllm, name, LORA, scope, seed=0, full=full)
    facts = step(mllm, "po", benchmark, work, task=name if name in "AB" else "A")
    assert facts.last_loss < facts.first_loss
    return mllm


def weights(mllm: MLLM) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in mllm.base.state_dict().items()}


@pytest.mark.parametrize(("scope", "full"), FULL, ids=FULL.values())
@pytest.mark.parametrize("name", ["llava", "qwen3_vl"])
def test_a_part_trained_whole_loads_whole(
    load_family: Load,
    benchmark: Benchmark,
    shapes: list[Path],
    tmp_path: Path,
    name: str,
    scope: Scope,
    full: tuple,
) -> None:
    mllm = load_family(name)
    before, base = logits(mllm, shapes), weights(mllm)
    trained(mllm, "A", benchmark, tmp_path / "work", scope, full)
    after = logits(mllm, shapes)
    assert (after - before).abs().max() > 1e-3
    (tmp_path / "archive").mkdir()
    save_adapter(mllm, "A", tmp_path / "archive")
    whole = {
        k: v
        for k, v in load_file(tmp_path / "archive" / "adapter_model.safetensors").items()
        if "lora_" not in k
    }
    inside = {k for k in base if k.startswith(tuple(f"{m}." for m in mllm.parts.modules_of(full)))}
    assert {k.removeprefix("base_model.model.") for k in whole} == inside
    assert any(
        not torch.equal(v, base[k.removeprefix("base_model.model.")]) for k, v in whole.items()
    )
    for trainable in (True, False):
        again = load_family(name)
        load_adapter(again, "renamed", tmp_path / "archive", trainable=trainable)
        assert torch.equal(logits(again, shapes), after)
        learns = {n for n, p in again.model.named_parameters() if p.requires_grad}
        assert learns == (
            {n for n, _ in again.model.named_parameters() if ".renamed." in n}
            if trainable
            else set()
        )
        remove_adapters(again)
        assert all(torch.equal(v, base[k]) for k, v in weights(again).items())
        assert torch.equal(logits(again, shapes), before)


@pytest.fixture
def store(load_family: Load, benchmark: Benchmark, tmp_path: Path):
    """Makes a store of three experts of a family, each trained alone."""

    def make(name: str) -> ExpertStore:
        for number, (expert, (scope, full)) in enumerate(EXPERTS.items(), 1):
            mllm = trained(load_family(name), expert, benchmark, tmp_path / "work", scope, full)
            facts = {"base": mllm.name, "tasks": list(EXPERTS)[:number]}
            with whole_dir(tmp_path / "experts" / expert, facts) as out:
                save_adapter(mllm, expert, out)
        return ExpertStore(tmp_path / "experts")

    return make


@pytest.mark.parametrize("name", ["llava", "qwen3_vl"])
def test_experts_of_whole_parts_stand_beside_others(
    load_family: Load, shapes: list[Path], store: Callable, name: str
) -> None:
    experts, base = store(name), load_family(name)
    plain, features = logits(base, shapes), base.picture_features(shapes)
    alone = {}
    for expert in EXPERTS:
        one = load_family(name)
        experts.mount(one, expert)
        assert torch.equal(logits(one, shapes), plain)  # there, and not yet switched on
        with mounted(one, [expert]):
            alone[expert] = logits(one, shapes)
        assert (alone[expert] - plain).abs().max() > 1e-3
    for order in ("ABC", "CBA"):
        mllm = load_family(name)
        for expert in order:
            experts.mount(mllm, expert)
        for expert in ("A", "C", "B", "A"):
            with mounted(mllm, [expert]):
                assert torch.equal(logits(mllm, shapes), alone[expert]), (order, expert)
            assert torch.equal(logits(mllm, shapes), plain)
        with mounted(mllm, []):
            assert torch.equal(logits(mllm, shapes), plain)
        assert torch.equal(mllm.picture_features(shapes), features)
        with mounted(mllm, ["A", "B"]):
            both = logits(mllm, shapes)
        assert all((both - other).abs().max() > 1e-3 for other in (plain, alone["A"], alone["B"]))
        with (
            pytest.raises(MlubenchError, match=r"B, C have each trained a part whole"),
            mounted(mllm, ["B", "C"]),
        ):
            pass
        assert torch.equal(logits(mllm, shapes), plain)
