"""A training step: the batches that a method needs, and what the reference said of them."""

from collections.abc import Sequence

from mlubench.models.mllm import MLLM
from mlubench.settings.training import TrainConfig
from mlubench.types import Benchmark
from mlubench.unlearning.batches import BatchBuilder, Step
from mlubench.unlearning.methods.base import Method
from mlubench.unlearning.reference import Reference
from mlubench.unlearning.schedule import Item


class StepBuilder:
    """Makes the steps of one training of one method."""

    def __init__(
        self, mllm: MLLM, benchmark: Benchmark, method: Method, config: TrainConfig
    ) -> None:
        self.method = method
        self.batch_builder = BatchBuilder(mllm, benchmark, config)
        self.reference = Reference(mllm, method, self.batch_builder, batch=config.batch)

    def remember_reference(self, items: Sequence[Item]) -> None:
        """Ask the model as it is now about every sample that the method's reference is asked of."""
        self.reference.ask(items)

    def build(self, items: Sequence[Item]) -> Step:
        batches = list(self.batch_builder.build(self.method.needs, items))
        return Step(batches, self.reference.of(items))
