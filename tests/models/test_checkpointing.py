"""Checkpointed training computes twice and keeps less; what it learns is the same."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mlubench.models.adapters import add_adapter
from mlubench.models.mllm import MLLM
from mlubench.settings.training import LoraConfig, TrainConfig
from mlubench.types import Benchmark
from mlubench.unlearning.forward import views_of
from mlubench.unlearning.methods.base import make_method
from mlubench.unlearning.schedule import schedule
from mlubench.unlearning.steps import StepBuilder
from mlubench.unlearning.table import LOSSES
from mlubench.unlearning.trainer import unlearn
from support.short_training import fit

Fresh = Callable[[], MLLM]
CONFIG = TrainConfig(lr=5e-3, epochs=2, batch=4, lora=LoraConfig(r=4, alpha=4), scope="all")
METHOD = make_method(
    "gd_refusal", LOSSES.resolve("gd_refusal"), {}
)  # packed answers, and others beside


@pytest.fixture(params=["toy", "qwen3_vl"])
def fresh(request: pytest.FixtureRequest, load_base: Callable, load_family: Callable) -> Fresh:
    """Makes models with an adapter that already changes something."""

    def make() -> MLLM:
        mllm = load_base() if request.param == "toy" else load_family(request.param)
        add_adapter(mllm, "default", CONFIG.lora, "all", seed=0)
        dice = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for name, weight in mllm.model.named_parameters():
                if ".lora_B." in name:
                    weight.normal_(0, 0.02, generator=dice)
        return mllm

    return make


class Passes:
    """Counts how often a pass enters the language model's first layer: computing anew ends as early as it can."""

    def __init__(self, mllm: MLLM) -> None:
        self.times = 0
        mllm.base.model.language_model.layers[0].self_attn.register_forward_pre_hook(self.count)

    def count(self, *_: object) -> None:
        self.times += 1


def gradients(
    mllm: MLLM, benchmark: Benchmark, *, checkpointed: bool
) -> tuple[dict[str, Tensor], int]:
    if checkpointed:
        mllm.model.activation_checkpointing_enable(
            activation_checkpointing_kwargs={"use_reentrant": False}
        )
    items = schedule(fit(benchmark, "forget"), fit(benchmark, "retain"), epochs=1, seed=0)
    passes = Passes(mllm)
    mllm.model.train()
    step = StepBuilder(mllm, benchmark, METHOD, CONFIG).build(items)
    METHOD.loss(views_of(mllm, step, METHOD)).backward()
    return {n: p.grad for n, p in mllm.model.named_parameters() if p.grad is not None}, passes.times


def test_checkpointed_gradients_are_those_without(fresh: Fresh, benchmark: Benchmark) -> None:
    (plain, once), (saved, twice) = (
        gradients(fresh(), benchmark, checkpointed=c) for c in (False, True)
    )
    assert twice == 2 * once
    assert set(saved) == set(plain)
    assert max(float(g.abs().max()) for g in saved.values()) > 1e-3
    parts = fresh().parts
    assert {parts.part_of(n) for n, g in saved.items() if g.abs().max() > 0} == {
        "vision",
        "projector",
        "language",
    }
    for name, grad in plain.items():
        assert torch.allclose(saved[name], grad, rtol=1e-4, atol=1e-5), name


@pytest.mark.parametrize("scope", ["language", "all"])
def test_a_checkpointed_training_makes_the_same_adapter(
    fresh: Fresh, benchmark: Benchmark, tmp_path: Path, scope: str
) -> None:
    """In the language scope no input of a checkpointed layer asks for a gradient, so that the old kind trains nothing."""
    adapters, losses = [], []
    for checkpointed in (False, True):
        mllm = fresh()
        if scope == "language":
            for name, parameter in mllm.model.named_parameters():
                parameter.requires_grad_(
                    parameter.requires_grad and mllm.parts.part_of(name) == "language"
                )
        start = {n: p.detach().clone() for n, p in mllm.model.named_parameters() if p.requires_grad}
        passes = Passes(mllm)
        config = CONFIG.model_copy(update={"gradient_checkpointing": checkpointed})
        sets = fit(benchmark, "forget"), fit(benchmark, "retain")
        facts = unlearn(mllm, METHOD, *sets, benchmark, config, seed=0, work=tmp_path)
        assert passes.times == facts.steps * 2 * (2 if checkpointed else 1)
        losses.append((facts.first_loss, facts.last_loss))
        adapters.append({n: p.detach() for n, p in mllm.model.named_parameters() if n in start})
        assert all(
            (p - start[n]).abs().max() > 0 for n, p in adapters[-1].items() if "language_model" in n
        )
        # A later training does not pay for this one.
        assert not mllm.base.is_activation_checkpointing
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
    for name, plain in adapters[0].items():
        assert torch.allclose(adapters[1][name], plain, atol=1e-4), name
