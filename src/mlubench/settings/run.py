"""Everything a run depends on, as one typed configuration; each group of settings has a file of its own here."""

from pydantic import Field, model_validator

from mlubench.core.errors import UsageError
from mlubench.experiment.table import METHODS
from mlubench.judging.table import JUDGES
from mlubench.lumoe.gates.table import GATES
from mlubench.settings.benchmark import BenchmarkConfig, KnowConfig
from mlubench.settings.evaluation import EvaluateConfig
from mlubench.settings.gates import GateConfig
from mlubench.settings.judging import JudgeConfig
from mlubench.settings.lumoe import LumoeConfig
from mlubench.settings.model import ModelConfig
from mlubench.settings.strict import Strict
from mlubench.settings.training import TrainConfig


class Config(Strict):
    """Written whole to RUN/config.yaml."""

    # The preset or file that the settings began with.
    preset: str = "custom"
    # Of training; each method and task has its own, drawn from this one.
    seed: int = 0
    # `auto` takes a GPU where there is one.
    device: str = "auto"
    benchmark: BenchmarkConfig = BenchmarkConfig()
    model: ModelConfig = ModelConfig()
    know: KnowConfig = KnowConfig()
    methods: list[str] = Field(
        default=["ga", "gd", "kl", "npo", "po", "dpo", "lumoe"], min_length=1
    )
    train: TrainConfig = TrainConfig()
    lumoe: LumoeConfig = LumoeConfig()
    # The gate that routes; the others are only reported.
    gate: str = "hybrid"
    gates: GateConfig = GateConfig()
    # Who scores the answers.
    judge: str = "rules"
    judging: JudgeConfig = JudgeConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

    @model_validator(mode="after")
    def _names_are_known(self) -> "Config":
        try:
            for method in self.methods:
                METHODS.row(method)
            GATES.row(self.gate)
            JUDGES.row(self.judge)
        except UsageError as error:
            raise ValueError(str(error)) from None  # pydantic collects ValueErrors alone
        if len(set(self.methods)) != len(self.methods):
            raise ValueError("methods names one twice")
        return self
