"""KL over every position, against a second implementation that asks one sample at a time and so knows no padding."""

import pytest
import torch
from torch import Tensor

from mlubench.models.adapters import add_adapter
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.types import Benchmark, Sample
from mlubench.unlearning.forward import views_of
from mlubench.unlearning.schedule import schedule
from mlubench.unlearning.steps import StepBuilder
from support.trainings import LORA, QUICK, fit, method_of


def positions(mllm: MLLM, benchmark: Benchmark, sample: Sample) -> tuple[Tensor, list[int]]:
    """Log-probabilities (L, V) at every position of one sample alone, and its answer's tokens."""
    inputs = mllm.encode([Query(benchmark.picture(sample), sample.question)], [sample.truth])
    answer = inputs.pop("labels")[0].tolist()
    assert inputs["attention_mask"].all()
    with torch.no_grad():
        return mllm.model(**inputs, use_cache=False).logits[0].double().log_softmax(-1), answer


def by_hand(
    mllm: MLLM, benchmark: Benchmark, forget: list[Sample], retain: list[Sample]
) -> tuple[float, float]:
    """The answers' mean NLL on the forget samples, and the mean KL over all positions of the retain samples."""
    losses, divergences = [], []
    for sample in forget:
        logps, answer = positions(mllm, benchmark, sample)
        losses += [
            -float(logps[n - len(answer) - 1, token]) for n, token in enumerate(answer, len(logps))
        ]
    for sample in retain:
        now, _ = positions(mllm, benchmark, sample)
        with mllm.adapters_off():
            then, _ = positions(mllm, benchmark, sample)
        divergences += [float((p.exp() * (p - q)).sum()) for p, q in zip(then, now, strict=True)]
    return sum(losses) / len(losses), sum(divergences) / len(divergences)


@pytest.mark.parametrize("kept", [0, 64])
def test_kl_over_every_position_is_that_of_samples_alone(
    mllm: MLLM, benchmark: Benchmark, kept: int
) -> None:
    method = method_of("kl_all")
    add_adapter(mllm, "default", LORA, "language", seed=0)
    forget, retain = fit(benchmark, "forget", count=4), fit(benchmark, "retain", count=4)
    items = schedule(forget, retain, epochs=1, seed=0)
    steps = StepBuilder(
        mllm, benchmark, method, QUICK.model_copy(update={"batch": 3, "vision_cache_mb": kept})
    )
    steps.remember_reference(items)
    dice = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in mllm.model.named_parameters():
            if ".lora_B." in name:
                weight.normal_(0, 0.05, generator=dice)
        step = steps.build(items)
        views = views_of(mllm, step, method)
    nll, divergence = by_hand(mllm, benchmark, forget, retain)
    assert divergence > 0.01
    assert float(method.loss(views)) == pytest.approx(divergence - nll, abs=1e-4)
    view = views["retain"]
    mask = view.all_mask
    assert (
        mask is not None and int((~mask).sum()) > 0
    )  # the batch has padding, on both sides of the answer
    assert not mask[:, 0].all() and not mask[:, -1].all()
    assert view.all_logits is not None and view.all_logits.shape[:2] == mask.shape


def test_padding_has_no_part_in_it(mllm: MLLM, benchmark: Benchmark) -> None:
    """Whatever stands at padded positions, the loss is the same; at any other it counts."""
    method = method_of("kl_all")
    add_adapter(mllm, "default", LORA, "language", seed=0)
    items = schedule(
        fit(benchmark, "forget", count=4), fit(benchmark, "retain", count=4), epochs=1, seed=0
    )
    steps = StepBuilder(mllm, benchmark, method, QUICK)
    steps.remember_reference(items)
    with torch.no_grad():
        views = views_of(mllm, steps.build(items), method)
    view = views["retain"]
    assert view.all_logits is not None and view.all_mask is not None
    plain = method.loss(views)
    tilt = torch.linspace(0, 50, view.all_logits.shape[-1])
    view.all_logits[~view.all_mask] += tilt
    assert torch.equal(method.loss(views), plain)
    row, column = view.all_mask.nonzero()[0].tolist()  # the first token of a prompt
    view.all_logits[row, column] += tilt
    assert not torch.equal(method.loss(views), plain)
