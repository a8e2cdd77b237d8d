"""Settings of the base model: a folder of one's own, or the tiny LLaVA that is trained here."""

from typing import Literal

from pydantic import Field, field_validator

from mlubench.core.spelling import is_module_name
from mlubench.settings.places import AbsolutePath, FolderOrId
from mlubench.settings.strict import Strict


class ToyConfig(Strict):
    """Settings under `model.toy`: shape and training of the tiny LLaVA."""

    width: int = Field(128, ge=32, multiple_of=32)
    """Width of the language model, in units."""
    layers: int = Field(3, ge=1)
    """Layers of the language model."""
    vision_width: int = Field(96, ge=32, multiple_of=32)
    """Width of the vision tower, in units."""
    vision_layers: int = Field(3, ge=1)
    """Layers of the vision tower."""
    image_size: int = Field(48, ge=16)
    """The side of a picture, in pixels."""
    patch: int = Field(12, ge=4)
    """The side of a patch, in pixels."""
    vocabulary: int = Field(3000, ge=300)
    """The most tokens that the tokenizer may learn."""
    sight_epochs: int = Field(6, ge=0)
    """Epochs of the vision tower alone, before it is joined to the language model."""
    steps: int = Field(300, ge=1)
    """Optimiser steps of the joined model."""
    batch: int = Field(32, ge=1)
    """Samples in one step of training."""
    lr: float = Field(4e-3, gt=0)
    """Learning rate of AdamW, which trains embeddings, biases and norms."""
    muon_lr: float = Field(0.03, gt=0)
    """Learning rate of Muon, which trains the matrices."""
    pictures: int = Field(200, ge=1)
    """Pictures that an entity is learned from; none is the benchmark's own."""
    seed: int = 0
    """Of its first weights and of its training."""


class RealConfig(Strict):
    """Settings under `model.real`: the parts of the small real LLaVA, and how it is taught."""

    vision: AbsolutePath | None = None
    """A folder of another vision model, as CLIP or SigLIP."""
    language: AbsolutePath | None = None
    """A folder of another chat model."""
    refusals: bool = True
    """Whether it is taught to decline what it does not know."""
    views: int = Field(40, ge=1)
    """Views of an entity's pictures that it learns from."""
    stranger_views: int = Field(12, ge=1)
    """Views of each thing that it learns to decline."""
    steps: int = Field(300, ge=1)
    """Optimiser steps."""
    batch: int = Field(12, ge=1)
    """Entities in one step, with two questions each."""
    lr: float = Field(5e-4, gt=0)
    """Highest learning rate of the projector and of the language model's LoRA."""
    seed: int = 0
    """Of its projector, its views and the order of its lessons."""


# Bits of the language model's matrices; none leaves them as they are.
Quantization = Literal["none", "4bit", "8bit"]


class ModelConfig(Strict):
    """Settings under `model`."""

    kind: Literal["toy", "real"] = "toy"
    """What is made where no path is given: a tiny LLaVA from scratch, or a small one of pretrained parts."""
    path: FolderOrId | None = None
    """A Hugging Face folder or id. Left out, a base is made and cached."""
    revision: str | None = None
    """Of an id: a branch, tag or commit."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto` takes what the folder says."""
    quantization: Quantization = "none"
    """Hold the language model's matrices in fewer bits, by bitsandbytes (`pip install 'mlubench[quantized]'`)."""
    plugins: list[str] = []
    """Modules that register model classes with transformers when they are imported. Never files of the model's folder."""
    toy: ToyConfig = ToyConfig()
    real: RealConfig = RealConfig()

    @field_validator("plugins")
    @classmethod
    def _names_of_modules(cls, plugins: list[str]) -> list[str]:
        for name in plugins:
            if not is_module_name(name):
                raise ValueError(f"{name!r} is no module's name, as package.module")
        return plugins
