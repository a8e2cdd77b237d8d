"""The typed configuration of a run: presets and YAML files, overrides from the command line, every error at once."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from mlubench.core.errors import UsageError, unknown_name
from mlubench.experiment.table import METHODS
from mlubench.judging.table import JUDGES
from mlubench.lumoe.gates.table import GATES
from mlubench.settings.gates import GateConfig
from mlubench.settings.judging import JudgeConfig
from mlubench.types import Part, Scope
from mlubench.unlearning.table import LOSSES


class _Strict(BaseModel):
    """A misspelt setting is an error, never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BenchmarkConfig(_Strict):
    """`world` is drawn by us from `seed`; `release` is a folder in the official layout."""

    kind: Literal["world", "release"] = "world"
    seed: int = 0
    root: Path | None = None
    images: Path | None = None
    draw: bool = Field(
        False, description="draw stand-in pictures for a release whose photographs are not at hand"
    )
    order: list[str] | None = Field(None, min_length=1)
    entities: int = Field(44, ge=16, le=400)
    pictures: int = Field(10, ge=3, le=200)

    @model_validator(mode="after")
    def _release_needs_root(self, info: ValidationInfo) -> "BenchmarkConfig":
        draft = bool(info.context and info.context.get("draft"))
        if self.kind == "release" and self.root is None and not draft:
            raise ValueError("benchmark.root is needed for a release: add -s benchmark.root=DIR")
        return self

    @field_validator("order")
    @classmethod
    def _each_task_once(cls, order: list[str] | None) -> list[str] | None:
        if order is not None and len(set(order)) != len(order):
            raise ValueError("names a task twice")
        return order


class ToyConfig(_Strict):
    """Shape and training of the tiny LLaVA. Sizes are in units, steps in optimiser steps."""

    width: int = Field(128, ge=32, multiple_of=32)
    layers: int = Field(3, ge=1)
    vision_width: int = Field(96, ge=32, multiple_of=32)
    vision_layers: int = Field(3, ge=1)
    image_size: int = Field(48, ge=16)
    patch: int = Field(12, ge=4)
    vocabulary: int = Field(3000, ge=300)
    sight_epochs: int = Field(
        6, ge=0, description="of the vision tower alone, before it is joined to the language model"
    )
    steps: int = Field(300, ge=1)
    batch: int = Field(32, ge=1)
    lr: float = Field(4e-3, gt=0)
    muon_lr: float = Field(0.03, gt=0)
    pictures: int = Field(
        200, ge=1, description="pictures an entity is learned from; none of the benchmark's own"
    )
    seed: int = 0


class ModelConfig(_Strict):
    """`path` is a Hugging Face folder or id; left out, the tiny LLaVA is trained and cached."""

    path: str | None = None
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    toy: ToyConfig = ToyConfig()


class KnowConfig(_Strict):
    """Know, then unlearn: a fact is dropped if its mean correctness (0-1) on calibration pictures is below `min_score`."""

    enabled: bool = True
    min_score: float = Field(0.75, ge=0, le=1)


class LoraConfig(_Strict):
    r: int = Field(32, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)


Rate = Annotated[float, Field(gt=0)]


class TrainConfig(_Strict):
    """How every method trains; `per_method` overrides single settings for one method.

    `part_lr` lays learning rates of single parts over `lr`. `full` names parts of the scope that are trained whole, not by
    LoRA. `options` are a method's own hyperparameters (`mlubench list methods`). The last four change speed and memory,
    not results: `pack` computes a prompt once for all its answers, `vision_cache_mb` keeps frozen picture features.
    """

    images: Literal["seen", "blind"] = "seen"
    scope: Scope = "language"
    full: tuple[Part, ...] = ()
    phrasings: Literal["first", "all"] = "first"
    lora: LoraConfig = LoraConfig()
    lr: Rate = 5e-5
    part_lr: dict[Part, Rate] = {}
    options: dict[str, Any] = {}
    epochs: int = Field(5, ge=1)
    batch: int = Field(4, ge=1)
    weight_decay: float = Field(1e-4, ge=0)
    warmup_ratio: float = Field(0.03, ge=0, lt=1)
    max_grad_norm: float = Field(1.0, gt=0)
    pack: bool = True
    vision_cache_mb: int = Field(512, ge=0)
    gradient_checkpointing: bool = False
    compile: bool = False
    per_method: dict[str, dict[str, Any]] = {}

    def for_method(self, name: str) -> "TrainConfig":
        """These settings with `per_method[name]` laid over them."""
        return TrainConfig(
            **{**self.model_dump(exclude={"per_method"}), **self.per_method.get(name, {})}
        )

    @model_validator(mode="after")
    def _full_is_in_scope(self) -> "TrainConfig":
        within = {"vision": ("vision", "projector"), "all": ("vision", "projector", "language")}
        for part in self.full:
            if part not in within.get(self.scope, (self.scope,)):
                raise ValueError(f"full names {part}, which scope {self.scope} does not hold")
        return self

    @model_validator(mode="after")
    def _overrides_are_settings(self) -> "TrainConfig":
        for name in self.per_method:
            if name not in METHODS:
                raise ValueError(str(unknown_name("method in train.per_method", name, METHODS)))
            if "per_method" in self.per_method[name]:
                raise ValueError(f"per_method.{name} cannot hold per_method")
            self.for_method(name)
        return self


class LumoeConfig(_Strict):
    """`expert` is the method that trains each expert on the untouched base.

    `weights` are factors on experts by task where a query hits several, 1 for those not named: `-s lumoe.weights.A=0.5`.
    `resident` is how many experts stay in memory, or how much of it they may take ("512MB"); the others wait on disk.
    """

    expert: str = "po"
    weights: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = {}
    resident: (
        Annotated[int, Field(ge=1)] | Annotated[str, Field(pattern=r"^[1-9]\d*MB$")] | None
    ) = None

    @field_validator("expert")
    @classmethod
    def _a_loss(cls, expert: str) -> str:
        if expert not in LOSSES:
            raise ValueError(str(unknown_name("method in lumoe.expert", expert, LOSSES)))
        return expert


class EvaluateConfig(_Strict):
    """`tasks: past` tests each archive on the tasks unlearned so far, as published; `all` on every task."""

    tasks: Literal["past", "all"] = "past"
    batch: int = Field(64, ge=1)
    max_new_tokens: int = Field(250, ge=1)
    limit: int | None = Field(
        None, ge=1, description="at most so many samples a split, spread over facts"
    )
    probability: bool = Field(
        False, description="also measure how probable each truth is: one more pass an answer"
    )
    resamples: int = Field(2000, ge=100)


class Config(_Strict):
    """Everything a run depends on. Written whole to RUN/config.yaml."""

    preset: str = "custom"
    seed: int = 0
    device: str = "auto"
    benchmark: BenchmarkConfig = BenchmarkConfig()
    model: ModelConfig = ModelConfig()
    know: KnowConfig = KnowConfig()
    methods: list[str] = Field(
        default=["ga", "gd", "kl", "npo", "po", "dpo", "lumoe"], min_length=1
    )
    train: TrainConfig = TrainConfig()
    lumoe: LumoeConfig = LumoeConfig()
    gate: str = "hybrid"
    gates: GateConfig = GateConfig()
    judge: str = "rules"
    judging: JudgeConfig = JudgeConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

    @model_validator(mode="after")
    def _names_are_known(self) -> "Config":
        for table, names in (
            (METHODS, self.methods),
            (GATES, [self.gate]),
            (JUDGES, [self.judge]),
        ):
            for name in names:
                try:
                    table.row(name)
                except UsageError as error:
                    raise ValueError(str(error)) from None
        if len(set(self.methods)) != len(self.methods):
            raise ValueError("methods names one twice")
        return self
