"""On a bfloat16 base what is trained is float32, and an archive gives back what was in memory."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mlubench.models.adapters import load_adapter, remove_adapters, save_adapter
from mlubench.models.answers import answer_logits
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.types import Benchmark, Part
from support.trainings import QUICK, fit, train

CONFIG = QUICK.model_copy(update={"epochs": 1})


def half(base_path: Path) -> MLLM:
    return MLLM.load(base_path, dtype="bfloat16", device="cpu")


def logits(mllm: MLLM, benchmark: Benchmark) -> Tensor:
    samples = fit(benchmark, "forget")
    queries = [Query(benchmark.picture(s), s.question) for s in samples]
    with torch.no_grad():
        return answer_logits(mllm.model, mllm.encode(queries, [s.truth for s in samples]))[0]


@pytest.mark.parametrize(
    ("name", "full"),
    [("ga", ()), ("npo", ()), ("ga", ("projector",)), ("npo", ("vision",)), ("npo", ("language",))],
)
def test_a_half_precision_base_trains_in_full(
    base_path: Path, benchmark: Benchmark, tmp_path: Path, name: str, full: tuple[Part, ...]
) -> None:
    mllm = half(base_path)
    before, base = (
        logits(mllm, benchmark),
        {k: v.clone() for k, v in mllm.model.state_dict().items()},
    )
    assert before.dtype == torch.bfloat16
    config = CONFIG.model_copy(update={"scope": "all", "full": full})
    facts = train(mllm, name, benchmark, tmp_path / "work", config)
    assert facts.steps == 2
    assert all(math.isfinite(loss) for loss in (facts.first_loss, facts.last_loss))
    assert facts.last_loss < facts.first_loss
    trained = {n: p for n, p in mllm.model.named_parameters() if p.requires_grad}
    assert {p.dtype for p in trained.values()} == {torch.float32}
    assert all(p.abs().max() > 0 for n, p in trained.items() if ".lora_B." in n)
    copies = {n: p for n, p in trained.items() if ".modules_to_save." in n}
    assert bool(copies) is bool(full)
    originals = {
        k: base[k.removeprefix("base_model.model.").replace(f".modules_to_save.{name}", "")]
        for k in copies
    }
    assert all(
        not torch.equal(copy, originals[key].float())
        for key, copy in copies.items()
        if copy.ndim > 1
    )
    after = logits(mllm, benchmark)
    assert (after - before).abs().max() > 0.1
    (tmp_path / "archive").mkdir()
    save_adapter(mllm, name, tmp_path / "archive")
    again = half(base_path)
    load_adapter(again, "default", tmp_path / "archive", trainable=True)
    assert torch.equal(logits(again, benchmark), after)
    assert {p.dtype for p in again.model.parameters() if p.requires_grad} == {torch.float32}
    asked = [Query(benchmark.picture(s), s.question) for s in fit(benchmark, "forget", count=4)]
    assert again.generate(asked, max_new_tokens=8) == mllm.generate(asked, max_new_tokens=8)
    remove_adapters(mllm)
    assert torch.equal(logits(mllm, benchmark), before)


@pytest.mark.parametrize("full", [(), ("projector",)], ids=["lora", "whole projector"])
def test_a_mounted_expert_answers_as_it_was_trained(
    base_path: Path, benchmark: Benchmark, tmp_path: Path, full: tuple[Part, ...]
) -> None:
    """An expert that only answers is in the base's precision: the same but for rounding."""
    mllm = half(base_path)
    plain = logits(mllm, benchmark)
    train(
        mllm,
        "po",
        benchmark,
        tmp_path / "work",
        CONFIG.model_copy(update={"scope": "all", "full": full}),
    )
    after = logits(mllm, benchmark)
    (tmp_path / "archive").mkdir()
    save_adapter(mllm, "po", tmp_path / "archive")
    again = half(base_path)
    load_adapter(again, "A", tmp_path / "archive")
    mounted = logits(again, benchmark)
    learned, lost = (after - plain).float().norm(), (mounted - after).float().norm()
    assert lost < 0.05 * learned
    assert {p.dtype for p in again.model.parameters()} == {torch.bfloat16}
