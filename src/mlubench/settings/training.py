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
    """Rank of the two matrices."""
    alpha: int = Field(32, ge=1)
    """Their product is scaled by alpha / r."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the inputs that is dropped in training."""


class TrainConfig(Strict):
    """Settings under `train`."""

    images: Literal["seen", "blind"] = "seen"
    """`blind` keeps pictures from the model while it unlearns, as in the authors' released code."""
    scope: Scope = "language"
    """Which parts may change."""
    full: tuple[Part, ...] = ()
    """Parts of the scope that are trained whole, not by LoRA."""
    phrasings: Literal["first", "all"] = "first"
    """Train on the first phrasing of each fact (the others then test it), or on all. The published protocol takes all."""
    lora: LoraConfig = LoraConfig()
    lr: LearningRate = 5e-5
    """Learning rate of AdamW."""
    part_lr: dict[Part, LearningRate] = {}
    """Learning rates of single parts, which go before `lr`."""
    options: dict[str, Any] = {}
    """A method's own hyperparameters (`mlubench list methods`)."""
    epochs: int = Field(5, ge=1)
    """How often the samples of a task are gone through."""
    batch: int = Field(4, ge=1)
    """Samples in one step of training, of each kind that the method reads."""
    weight_decay: float = Field(1e-4, ge=0)
    """Of AdamW."""
    warmup_ratio: float = Field(0.03, ge=0, lt=1)
    """Share of the steps in which the learning rate rises from 0."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Longer gradients are scaled down to this length."""
    # The next four change speed and memory, not results.
    pack: bool = True
    """Compute a prompt once for all its answers."""
    vision_cache_mb: int = Field(512, ge=0)
    """The most that kept features of a frozen vision tower may take, in MB."""
    gradient_checkpointing: bool = False
    """Compute activations twice rather than keep them."""
    compile: bool = False
    """Compile the model with torch.compile."""
    per_method: dict[str, dict[str, Any]] = {}
    """Other values of all these for one method, by its name."""

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
