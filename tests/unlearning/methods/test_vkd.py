"""VKD against arithmetic done by hand, and what it does to the tiny model's features."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mlubench.core.errors import MlubenchError
from mlubench.models.mllm import MLLM
from mlubench.types import Benchmark, Sample
from mlubench.unlearning.forward import run_batch
from mlubench.unlearning.losses import vkd_loss
from mlubench.unlearning.schedule import schedule
from mlubench.unlearning.steps import StepBuilder
from support.trainings import HARD, fit, lora_of, method_of, train

SEEING = HARD.model_copy(update={"scope": "vision"})


def test_the_loss_by_hand() -> None:
    """Two retained tokens at 0 and 2: their middle is 1 and their spread 1. What is no picture never counts."""
    said = torch.tensor([[[0.0], [2.0], [50.0]]])
    mask = torch.tensor([[True, True, False]])
    forget = torch.tensor([[[4.0], [1.0], [60.0]]], requires_grad=True)
    retain = torch.tensor([[[0.0], [5.0], [70.0]]])
    loss = vkd_loss(forget, mask, retain, said, mask, alpha=2.0)
    # Losing: ((4 - 1)^2 + 0) / 2. Staying: (0 + (5 - 2)^2) / 2.
    assert loss.item() == pytest.approx(4.5 + 2 * 4.5)
    loss.backward()
    assert forget.grad.flatten().tolist() == pytest.approx([3.0, 0.0, 0.0])


def test_a_models_scale_does_not_count() -> None:
    rng = torch.Generator().manual_seed(0)
    forget, retain, said = (torch.randn(2, 3, 4, generator=rng) for _ in range(3))
    mask = torch.ones(2, 3, dtype=torch.bool)
    small = vkd_loss(forget, mask, retain, said, mask, alpha=1.0)
    large = vkd_loss(100 * forget, mask, 100 * retain, 100 * said, mask, alpha=1.0)
    assert float(large) == pytest.approx(float(small), rel=1e-5)


def features(mllm: MLLM, benchmark: Benchmark, samples: list[Sample]) -> Tensor:
    """What the language model is given of the samples' pictures: (B, P, H)."""
    items = schedule(samples, samples, epochs=1, seed=0)
    builder = StepBuilder(mllm, benchmark, method_of("vkd"), SEEING).batch_builder
    (batch,) = builder.build(["forget"], sorted(items, key=lambda item: item["forget"].id))
    with torch.no_grad():
        outputs = run_batch(mllm, batch, method_of("vkd"))["forget"]
    return outputs.pictures[outputs.picture_mask].view(len(samples), -1, outputs.pictures.shape[-1])


def test_features_are_the_projectors(mllm: MLLM, benchmark: Benchmark) -> None:
    (sample,) = fit(benchmark, "forget", count=1)
    pixels = mllm.processor.image_processor(
        images=[mllm.picture(benchmark.picture(sample))], return_tensors="pt"
    )["pixel_values"]
    with torch.no_grad():
        told = mllm.base.model.get_image_features(pixels).pooler_output[0]
    assert torch.allclose(features(mllm, benchmark, [sample])[0], told, atol=1e-5)


def test_forgotten_pictures_move_and_retained_ones_stay(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path
) -> None:
    forget, retain = fit(benchmark, "forget"), fit(benchmark, "retain")
    before = features(mllm, benchmark, forget), features(mllm, benchmark, retain)
    train(mllm, "vkd", benchmark, tmp_path, SEEING)
    gone = (features(mllm, benchmark, forget) - before[0]).square().mean()
    stayed = (features(mllm, benchmark, retain) - before[1]).square().mean()
    assert gone > 2 * stayed
    assert not any("language_model" in name for name in lora_of(mllm, "vkd"))


def test_a_scope_without_vision_is_refused(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path
) -> None:
    with pytest.raises(MlubenchError, match=r"which train\.scope=language leaves as it is"):
        train(mllm, "vkd", benchmark, tmp_path, HARD)


def test_a_model_whose_text_has_no_tokens_of_pictures_is_refused(
    family_folder: Callable[[str], Path], benchmark: Benchmark, tmp_path: Path
) -> None:
    mllm = MLLM.load(family_folder("mllama"), device="cpu")
    with pytest.raises(MlubenchError, match=r"in layers of its own\. Choose another method"):
        train(mllm, "vkd", benchmark, tmp_path, SEEING)
