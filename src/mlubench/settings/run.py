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
from mlubench.types import Reference


class Config(Strict):
    """Written whole to RUN/config.yaml."""

    preset: str = "custom"
    """The preset or file that the settings began with. In a file: the preset that its settings are laid over."""
    seed: int = 0
    """Of training. Each method and task has its own, drawn from this one."""
    device: str = "auto"
    """A device of torch, as `cpu` or `cuda:0`. `auto` takes a GPU where there is one."""
    benchmark: BenchmarkConfig = BenchmarkConfig()
    model: ModelConfig = ModelConfig()
    know: KnowConfig = KnowConfig()
    methods: list[str] = Field(
        default=["ga", "gd", "kl", "npo", "po", "dpo", "lumoe"], min_length=1
    )
    """What is compared, in this order (`mlubench list methods`)."""
    references: list[Reference] = ["gate-only"]
    """What the methods are held against: `gate-only`, made of LUMoE's answers; `prompt-only`; `training-free`."""
    train: TrainConfig = TrainConfig()
    lumoe: LumoeConfig = LumoeConfig()
    gate: str = "hybrid"
    """The gate that routes (`mlubench list gates`). The others are only reported."""
    gates: GateConfig = GateConfig()
    judge: str = "rules"
    """Who scores the answers (`mlubench list judges`)."""
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
