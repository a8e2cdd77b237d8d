"""What a training may cost: no second base in memory, and a compiled model learns the same."""

import gc
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

from mlubench.models.adapters import add_adapter
from mlubench.types import Benchmark
from mlubench.unlearning.trainer import unlearn
from support.trainings import QUICK, fit, method_of, train


class Alive:
    """Floating-point tensors that this process holds: their bytes, each storage once, and the number of parameters."""

    def __init__(self) -> None:
        gc.collect()
        found = [
            x
            for x in gc.get_objects()
            if type(x) in (Tensor, torch.nn.Parameter) and x.is_floating_point()
        ]
        grads = [x.grad for x in found if type(x) is torch.nn.Parameter and x.grad is not None]
        storages = {
            s.data_ptr(): s.nbytes() for s in (x.untyped_storage() for x in (*found, *grads))
        }
        self.bytes = sum(storages.values())
        self.parameters = sum(type(x) is torch.nn.Parameter for x in found)


def nbytes(tensors: Any) -> int:
    return sum(x.numel() * x.element_size() for x in tensors)


@pytest.mark.parametrize("name", ["npo", "dpo", "kl"])
def test_training_holds_no_second_base(
    mllm: Any, benchmark: Benchmark, tmp_path: Path, name: str
) -> None:
    """At the end of a step there are weights, gradients and two moments of the adapter, the base, and little else."""
    base = nbytes(mllm.model.parameters())
    add_adapter(mllm, name, QUICK.lora, "language", seed=0)
    adapter = nbytes(p for p in mllm.model.parameters() if p.requires_grad)
    before, during = Alive(), []

    def look(*_: Any) -> None:
        during.append(Alive())

    hook = register_optimizer_step_post_hook(look)
    try:
        config = QUICK.model_copy(update={"epochs": 1, "batch": 8, "vision_cache_mb": 0})
        facts = train(mllm, name, benchmark, tmp_path, config, fresh=False)
    finally:
        hook.remove()
    assert facts.steps == len(during) == 1
    (now,) = during
    assert now.parameters == before.parameters
    small = 0.2 * base  # the batch, and what the reference said of each sample
    assert 3 * adapter <= now.bytes - before.bytes <= 3 * adapter + small


def test_kept_features_and_references_are_small(
    mllm: Any, benchmark: Benchmark, tmp_path: Path
) -> None:
    """Also with everything that is kept between steps, a training stays far from another base."""
    base = nbytes(mllm.model.parameters())
    before, during = Alive(), []
    hook = register_optimizer_step_post_hook(lambda *_: during.append(Alive()))
    try:
        train(mllm, "kl", benchmark, tmp_path, QUICK.model_copy(update={"epochs": 1, "batch": 8}))
    finally:
        hook.remove()
    adapter = nbytes(p for p in mllm.model.parameters() if p.requires_grad)
    assert max(now.bytes for now in during) - before.bytes < 4 * adapter + base / 2


def can_compile() -> str:
    """Empty where torch.compile works here; else why not."""
    if not any(shutil.which(name) for name in ("g++", "clang++", "c++")):
        return "no C++ compiler, which torch.compile needs on the CPU"
    code = "import torch; torch.compile(lambda x: x.sin() + 1)(torch.ones(3))"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=40, check=False
        )
    except subprocess.TimeoutExpired:
        return "a line of code takes over 40 s to compile"
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


# Compiling, torch warns of what it does itself.
@pytest.mark.filterwarnings("default")
@pytest.mark.slow
def test_a_compiled_model_trains_to_the_same_losses(
    load_base: Callable, benchmark: Benchmark, tmp_path: Path
) -> None:
    if why := can_compile():
        pytest.skip(f"torch.compile does not work here: {why}")
    losses, method, forget = [], method_of("ga"), fit(benchmark, "forget", count=4)
    for compiled in (False, True):
        torch.compiler.reset()
        mllm = load_base()
        add_adapter(mllm, "default", QUICK.lora, "language", seed=0)
        config = QUICK.model_copy(
            update={"epochs": 6, "compile": compiled}
        )  # the same shapes each time: compiled once
        facts = unlearn(mllm, method, forget, [], benchmark, config, seed=0, work=tmp_path)
        losses.append((facts.first_loss, facts.last_loss))
    assert losses[1] == pytest.approx(losses[0], abs=1e-3)
    assert losses[0][1] < losses[0][0] - 0.1  # it has learned something
