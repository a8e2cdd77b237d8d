"""Settings of the base model: a folder of one's own, or the tiny LLaVA that is trained here."""

from typing import Literal

from pydantic import Field

from mlubench.settings.strict import Strict


class ToyConfig(Strict):
    """Settings under `model.toy`: shape and training of the tiny LLaVA."""

    # The language model: width in units, and layers.
    width: int = Field(128, ge=32, multiple_of=32)
    layers: int = Field(3, ge=1)
    # The vision tower, likewise.
    vision_width: int = Field(96, ge=32, multiple_of=32)
    vision_layers: int = Field(3, ge=1)
    # The side of a picture and of a patch, in pixels.
    image_size: int = Field(48, ge=16)
    patch: int = Field(12, ge=4)
    # The most tokens that the tokenizer may learn.
    vocabulary: int = Field(3000, ge=300)
    # Epochs of the vision tower alone, before it is joined to the language model.
    sight_epochs: int = Field(6, ge=0)
    # Optimiser steps of the joined model.
    steps: int = Field(300, ge=1)
    batch: int = Field(32, ge=1)
    # Of AdamW, which trains embeddings, biases and norms.
    lr: float = Field(4e-3, gt=0)
    # Of Muon, which trains the matrices.
    muon_lr: float = Field(0.03, gt=0)
    # Pictures that an entity is learned from; none is the benchmark's own.
    pictures: int = Field(200, ge=1)
    seed: int = 0


class ModelConfig(Strict):
    """Settings under `model`."""

    # A Hugging Face folder or id; left out, the tiny LLaVA is trained and cached.
    path: str | None = None
    # Of an id: a branch, tag or commit.
    revision: str | None = None
    # `auto` takes what the folder says.
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    toy: ToyConfig = ToyConfig()
