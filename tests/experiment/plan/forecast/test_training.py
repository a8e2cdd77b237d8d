"""A step that is counted without weights does the arithmetic of a real one, and of one by hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mlubench.experiment.plan.forecast.answering import count_answers
from mlubench.experiment.plan.forecast.inputs import Shown
from mlubench.experiment.plan.forecast.pictures import PictureSize, picture_load
from mlubench.experiment.plan.forecast.texts import TextLengths
from mlubench.experiment.plan.forecast.training import count_reference, count_step
from mlubench.models.adapters import add_adapter
from mlubench.models.mllm import MLLM
from mlubench.models.sizes import Shape, folder_shape, published_shape, toy_shape, with_adapter
from mlubench.settings.model import ModelConfig
from mlubench.settings.run import Config
from mlubench.settings.training import LoraConfig, TrainConfig
from mlubench.types import Benchmark
from mlubench.unlearning.forward import views_of
from mlubench.unlearning.schedule import Item
from mlubench.unlearning.steps import StepBuilder
from support.trainings import fit, method_of

ROWS = 4
SETTINGS = TrainConfig(batch=ROWS, lora=LoraConfig(r=8, alpha=8), vision_cache_mb=0)


def real_step(mllm: MLLM, name: str, benchmark: Benchmark) -> tuple[int, TextLengths]:
    """The FLOPs of a step with weights, and the lengths of its batch."""
    method = method_of(name)
    add_adapter(mllm, "default", SETTINGS.lora, "language", seed=0)
    forget = fit(benchmark, "forget", count=ROWS)
    retain = fit(benchmark, "retain", count=ROWS)
    items: list[Item] = [
        {"forget": a, "refusal": a, "retain": b} for a, b in zip(forget, retain, strict=True)
    ]
    # Of the CPU's own kernel of attention torch counts nothing; of its single products it does.
    mllm.base.set_attn_implementation("eager")
    steps = StepBuilder(mllm, benchmark, method, SETTINGS)
    steps.remember_reference(items)
    mllm.model.train()
    with FlopCounterMode(display=False) as counter:
        step = steps.build(items)
        torch.autograd.backward(method.loss(views_of(mllm, step, method)))
    prompt = 0
    answer = 0
    refusal = 1
    for batch in step.batches:
        widths = {kind: labels.shape[1] for kind, labels in batch.labels.items()}
        prompt = max(prompt, batch.inputs["input_ids"].shape[1] - sum(widths.values()))
        answer = max(answer, widths.get("forget", 0), widths.get("retain", 0))
        refusal = widths.get("refusal", 1)
    return counter.get_total_flops(), TextLengths(prompt, answer, refusal, answer, "")


@pytest.mark.parametrize("name", ["ga", "po", "dpo", "kl", "undial"])
def test_a_step_without_weights_does_what_a_real_one_does(
    mllm: MLLM,
    benchmark: Benchmark,
    whole_benchmark: Benchmark,
    smoke_config: Config,
    name: str,
) -> None:
    found, lengths = real_step(mllm, name, benchmark)
    shape = toy_shape(smoke_config.model.toy, whole_benchmark, "float32")
    processor = mllm.processor.image_processor
    size = PictureSize(48, 48)
    load = picture_load(shape.mllm, processor, size)
    lengths = replace(lengths, prompt=lengths.prompt - load.tokens)
    with with_adapter(shape, SETTINGS.lora, "language") as planned:
        count = count_step(planned, method_of(name), SETTINGS, lengths, Shown(load))
    # One kernel computes the pairs of attention once more on the way back. Retain samples are shorter, too.
    assert count.flops == pytest.approx(found, rel=0.1 if name == "kl" else 0.05)


def published_step(
    name: str, columns: int, answer: int, settings: TrainConfig
) -> tuple[Shape, int]:
    shape = published_shape(ModelConfig(path=name, dtype="bfloat16"))
    assert shape is not None
    lengths = TextLengths(columns - answer, answer, answer, answer, "")
    with with_adapter(shape, settings.lora, "language") as mllm:
        # Forward alone, as the reference does it.
        count = count_reference(mllm, method_of("npo"), settings, lengths, None)
    return shape, count.flops


def test_llava_7b_by_hand() -> None:
    """32 layers of Vicuna: four square matrices and three of the MLP, LoRA beside each; the head at answers alone."""
    columns, answer, rank = 600, 20, 8
    _, found = published_step("llava-1.5-7b-hf", columns, answer, SETTINGS)
    matrices = 4 * 4096**2 + 3 * 4096 * 11008
    lora = rank * (4 * (4096 + 4096) + 3 * (4096 + 11008))
    attention = 2 * columns**2 * 4096
    layers = 32 * (columns * (matrices + lora) + attention)
    head = (answer + 1) * 4096 * 32064
    # Of rotary positions there is a small product besides.
    assert found == pytest.approx(2 * ROWS * (layers + head), rel=1e-4)


def test_checkpointing_needs_less_memory_and_more_arithmetic(
    family_folder: Callable, benchmark: Benchmark
) -> None:
    shape = folder_shape(family_folder("llava"), "float32")
    lengths = TextLengths(300, 20, 20, 20, "")
    found = {}
    for twice in (False, True):
        settings = SETTINGS.model_copy(update={"gradient_checkpointing": twice})
        with with_adapter(shape, settings.lora, "language") as mllm:
            found[twice] = count_step(mllm, method_of("po"), settings, lengths, None)
    assert found[True].peak_bytes < found[False].peak_bytes
    assert 1.2 < found[True].flops / found[False].flops < 1.6


def test_the_cache_of_keys_and_values_by_hand() -> None:
    shape = published_shape(ModelConfig(path="Qwen3-VL-4B-Instruct", dtype="bfloat16"))
    assert shape is not None
    counts = count_answers(shape.mllm, ROWS, TextLengths(50, 10, 10, 10, ""), None)
    # 36 layers, keys and values, 8 heads of 128, two bytes each.
    assert counts.cache_bytes_a_token == ROWS * 36 * 2 * 8 * 128 * 2
    assert counts.step.flops < counts.prompt.flops
    assert counts.peak_bytes(11) - counts.peak_bytes(1) == 10 * counts.cache_bytes_a_token
