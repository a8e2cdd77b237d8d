"""What every step of an experiment works with."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlubench.lumoe.engine.opening import gate_access
from mlubench.lumoe.gates.base import ModelAccess
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.runs.folder import RunDir
from mlubench.settings.run import Config
from mlubench.types import Benchmark, Sample


@dataclass(frozen=True, slots=True)
class Context:
    """What every learner works with."""

    config: Config
    # Only the facts that the base knows, and the tasks in the order of the run.
    benchmark: Benchmark
    # The base, on which learners mount adapters and take them off again.
    mllm: MLLM
    run: RunDir

    @property
    def order(self) -> list[str]:
        return [t.name for t in self.benchmark]

    def queries(self, samples: Sequence[Sample]) -> list[Query]:
        return [Query(self.benchmark.picture(s), s.question) for s in samples]

    def gate_access(self, gate: str) -> ModelAccess:
        """What the gate of that name asks with. Its replies are kept in the run, apart from those of other gates."""
        return gate_access(self.mllm, self.config.gates, self.run.gate_replies(gate))
