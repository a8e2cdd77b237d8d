"""Encoders of pictures: what several layers of a vision model say of a picture, as one row of numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from mlubench.core.errors import MlubenchError
from mlubench.core.files import digest, file_sha256
from mlubench.models.plugins import register_model_classes, why_not_loaded
from mlubench.models.weights import load_weights, loading_errors

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from mlubench.models.mllm import MLLM

# Layers of a model that are joined, at most: those of a deep one are taken at even distances.
LAYERS = 6
BATCH = 64  # pictures in one pass


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """A vision model that says what it sees."""

    # What tells it from others: the hash of its weights, or "" where nobody knows it.
    id: str
    # A batch of pictures -> what each layer says of them: (B, width), (B, tokens, width) or (B, width, height, width).
    layers: Callable[[list[Image.Image]], Sequence[Tensor]]

    @torch.inference_mode()
    def __call__(self, pictures: Sequence[Image.Image]) -> Tensor:
        """A row for each picture, (N, D) float32 on the CPU: each layer's mean over places, at length 1, all joined."""
        rows = []
        for start in range(0, len(pictures), BATCH):
            states = self.layers(list(pictures[start : start + BATCH]))
            rows.append(joined(states).cpu())
        return torch.cat(rows) if rows else torch.zeros(0, 0)


def joined(states: Sequence[Tensor]) -> Tensor:
    """A row for each picture: what some layers say, each by its mean over places, at length 1. (B, D)"""
    return torch.cat([F.normalize(_pooled(state).float(), dim=1) for state in _spread(states)], 1)


def _spread(states: Sequence[Tensor]) -> list[Tensor]:
    """At most `LAYERS` of the states at even distances, the last among them."""
    count = min(LAYERS, len(states))
    return [states[(number * len(states)) // count - 1] for number in range(1, count + 1)]


def _pooled(state: Tensor) -> Tensor:
    """The mean over the places of a layer. (B, width)"""
    if state.ndim == 4:
        return state.mean((2, 3))
    return state.mean(1) if state.ndim == 3 else state


def tower_encoder(mllm: "MLLM") -> Encoder:
    """The base's own vision tower; of a family whose tower is called in another way, its projected tokens alone."""

    def layers(pictures: list[Image.Image]) -> Sequence[Tensor]:
        if mllm.base.config.model_type != "llava":
            return [mllm.mean_tokens(pictures)]
        pixels = mllm.pixels(pictures)
        # Pixtral's tower lays the patches of all pictures in one row.
        if "image_sizes" in pixels:
            return [mllm.mean_tokens(pictures)]
        tower = mllm.base.get_submodule(mllm.parts.vision[0])
        with mllm.adapters_off():
            output = tower(pixels["pixel_values"], output_hidden_states=True)
        return _states(output)

    hashes = mllm.weight_hashes()
    return Encoder(digest(["tower", hashes], 64) if hashes else "", layers)


def folder_encoder(folder: Path) -> Encoder:
    """A vision model in a Hugging Face folder, or the vision half of one such as CLIP or SigLIP. On the CPU, in float32.

    Of a model in two halves the one that reads is neither loaded nor needed.

    Raises MlubenchError where the folder holds no such model.
    """
    from transformers import AutoImageProcessor, AutoModel

    register_model_classes()
    weights = sorted(folder.glob("*.safetensors"))
    try:
        # By Pillow, so that the same pixels come out wherever torchvision is installed or not.
        processor = AutoImageProcessor.from_pretrained(
            folder, trust_remote_code=False, backend="pil"
        )
    except (OSError, ValueError, KeyError) as error:
        why, hint = why_not_loaded(error, "Give a Hugging Face folder of a vision model, as CLIP.")
        raise MlubenchError(f"{folder} holds no image processor: {why}", hint) from error
    half = _vision_half(folder)
    model = load_weights(AutoModel, folder, dtype="float32", config=half).eval()
    # Of a family whose vision half is no model by itself.
    vision = getattr(model, "vision_model", model)

    def layers(pictures: list[Image.Image]) -> Sequence[Tensor]:
        pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
        return _states(vision(pixel_values=pixels, output_hidden_states=True))

    return Encoder(digest([file_sha256(path) for path in weights], 64), layers)


def _vision_half(folder: Path) -> "PreTrainedConfig | None":
    """The configuration of the half that sees, where a model has one that transformers can load by itself."""
    from transformers import MODEL_MAPPING, AutoConfig

    with loading_errors(folder):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    half = getattr(config, "vision_config", None)
    return half if type(half) in MODEL_MAPPING else None


def _states(output: object) -> Sequence[Tensor]:
    """The layers of a model's output, without a transformer's first state: that of its embeddings, before any layer."""
    states: Sequence[Tensor] = output.hidden_states  # type: ignore[attr-defined]
    tokens = all(state.ndim == 3 for state in states)
    return states[1:] if tokens and len(states) > 1 else states
