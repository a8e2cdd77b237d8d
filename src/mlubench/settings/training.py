"""Settings of unlearning: what every method trains, on which samples, and how."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mlubench.core.errors import unknown_name
from mlubench.experiment.table import METHODS
from mlubench.settings.strict import Strict
from mlubench.types import PARTS_OF_SCOPE, Part, Scope

LearningRate = Annotated[float, Field(gt=0)]


class LoraConfig(Strict):
    """Settings under `train.lora`: Hu et al. 2021, in their letters."""

    r: int = Field(32, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)


class TrainConfig(Strict):
    """Settings under `train`."""

    # `blind` keeps pictures from the model while it unlearns, as in the authors' released code.
    images: Literal["seen", "blind"] = "seen"
    # Which parts may change.
    scope: Scope = "language"
    # Parts of the scope that are trained whole, not by LoRA.
    full: tuple[Part, ...] = ()
    # Train on the first phrasing of each fact (the others then test it), or on all.
    phrasings: Literal["first", "all"] = "first"
    lora: LoraConfig = LoraConfig()
    lr: LearningRate = 5e-5
    # Learning rates of single parts, which go before `lr`.
    part_lr: dict[Part, LearningRate] = {}
    # A method's own hyperparameters (`mlubench list methods`).
    options: dict[str, Any] = {}
    epochs: int = Field(5, ge=1)
    batch: int = Field(4, ge=1)
    weight_decay: float = Field(1e-4, ge=0)
    warmup_ratio: float = Field(0.03, ge=0, lt=1)
    max_grad_norm: float = Field(1.0, gt=0)
    # The next four change speed and memory, not results.
    # Compute a prompt once for all its answers.
    pack: bool = True
    # The most that kept features of a frozen vision tower may take.
    vision_cache_mb: int = Field(512, ge=0)
    gradient_checkpointing: bool = False
    compile: bool = False
    # Other values of all these for one method, by its name.
    per_method: dict[str, dict[str, Any]] = {}

    def for_method(self, name: str) -> "TrainConfig":
        """These settings with `per_method[name]` laid over them."""
        values = self.model_dump(exclude={"per_method"})
        values.update(self.per_method.get(name, {}))
        return TrainConfig(**values)

    @model_validator(mode="after")
    def _full_is_in_scope(self) -> "TrainConfig":
        for part in self.full:
            if part not in PARTS_OF_SCOPE[self.scope]:
                raise ValueError(f"full names {part}, which scope {self.scope} does not hold")
        return self

    @model_validator(mode="after")
    def _each_override_is_a_setting(self) -> "TrainConfig":
        for name, values in self.per_method.items():
            if name not in METHODS:
                raise ValueError(str(unknown_name("method in train.per_method", name, METHODS)))
            if "per_method" in values:
                raise ValueError(f"per_method.{name} cannot hold per_method")
            self.for_method(name)  # raises where a value is wrong
        return self
