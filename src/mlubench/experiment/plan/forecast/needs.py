"""How much memory training and answering need, from the plan's sizes and what was counted of a batch."""

from mlubench.experiment.plan.forecast.answering import AnswerCounts
from mlubench.experiment.plan.forecast.parts import MemoryNeed
from mlubench.experiment.plan.parts import Memory
from mlubench.models.counting import Count
from mlubench.settings.evaluation import EvaluateConfig


def training_need(memory: Memory, step: Count, batch: int) -> MemoryNeed:
    """Of a method that trains in batches of so many samples."""
    return MemoryNeed(
        weights=memory.base,
        adapters=memory.adapter + (memory.experts or 0),
        features=memory.features,
        batch=step.peak_bytes,
        row=step.peak_bytes // batch,
    )


def answering_need(
    memory: Memory, answers: AnswerCounts, settings: EvaluateConfig, has_experts: bool
) -> MemoryNeed:
    """Of a method that answers in batches, each answer as long as it may be."""
    # The adapter's weights alone: no gradients, no moments.
    adapters = memory.adapter // 4
    if has_experts:
        # All of them, in half precision, and in the batch a copy of each that it needs.
        adapters = adapters + (memory.experts or 0)
    batch = answers.peak_bytes(settings.max_new_tokens)
    return MemoryNeed(memory.base, adapters, 0, batch, batch // settings.batch)
