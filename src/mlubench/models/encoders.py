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
    from transformers import PreTrainedConfig, PreTrainedModel
    from transformers.image_processing_utils import BaseImageProcessor

    from mlubench.models.mllm import MLLM

# Layers of a model that are joined, at most: those of a deep one are taken at even distances.
LAYERS = 6
# Pictures in one pass. On a CPU few are faster: what a large pass needs is asked of the system anew for every layer, and to
# clear it took twice as long as to compute (EfficientNet at 224 pixels).
BATCH = 8
BATCH_ON_GPU = 64


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """A vision model that says what it sees."""

    # What tells it from others: the hash of its weights, or "" where nobody knows it.
    id: str
    # A batch of pictures -> what each layer says of them: (B, width), (B, tokens, width) or (B, width, height, width).
    layers: Callable[[list[Image.Image]], Sequence[Tensor]]
    # Pictures in one pass.
    batch: int = BATCH

    @torch.inference_mode()
    def __call__(self, pictures: Sequence[Image.Image]) -> Tensor:
        """A row for each picture, (N, D) float32 on the CPU: each layer's mean over places, at length 1, all joined."""
        rows = []
        for start in range(0, len(pictures), self.batch):
            states = self.layers(list(pictures[start : start + self.batch]))
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
    name = digest(["tower", hashes], 64) if hashes else ""
    on_cpu = mllm.base.device.type == "cpu"
    return Encoder(name, layers, BATCH if on_cpu else BATCH_ON_GPU)


def tower_width(mllm: "MLLM") -> int:
    """The width of the rows of `tower_encoder`, also of a model whose weights are nowhere (on the meta device)."""
    config = mllm.base.config
    if config.model_type != "llava" or config.vision_config.model_type == "pixtral":
        return int(config.get_text_config().hidden_size)
    return _width_of(mllm.base.get_submodule(mllm.parts.vision[0]))


def folder_width(folder: Path) -> int:
    """The width of the rows of `folder_encoder`, by its config.json. Raises MlubenchError where that names no model."""
    from transformers import AutoConfig, AutoModel

    register_model_classes()
    half = _vision_half(folder)
    with loading_errors(folder):
        config = half or AutoConfig.from_pretrained(folder, trust_remote_code=False)
        with torch.device("meta"):
            model = AutoModel.from_config(config)
    return _width_of(getattr(model, "vision_model", model))


@torch.inference_mode()
def _width_of(model: "PreTrainedModel") -> int:
    """Of the rows that a vision model gives, found by a pass over one empty picture."""
    config = model.config
    side = getattr(config, "vision_config", config).image_size
    weight = next(model.parameters())
    pixels = torch.zeros(1, 3, side, side, dtype=weight.dtype, device=weight.device)
    output = model.eval()(pixels, output_hidden_states=True)
    return joined(_states(output)).shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class VisionModel:
    """A vision model with the image processor that goes with it. On the CPU, in float32."""

    # What tells its weights from others.
    id: str
    # Alone, or the vision half of one such as CLIP.
    model: "PreTrainedModel"
    processor: "BaseImageProcessor"

    def pixels(self, pictures: list[Image.Image]) -> Tensor:
        """What the model is shown. (B, 3, height, width)"""
        pixels: Tensor = self.processor(images=pictures, return_tensors="pt")["pixel_values"]
        return pixels

    def states(self, pixels: Tensor) -> Sequence[Tensor]:
        """What each layer says."""
        return _states(self.model(pixel_values=pixels, output_hidden_states=True))

    def encoder(self) -> Encoder:
        """It as an encoder, which says what the model says by then."""
        return Encoder(self.id, lambda pictures: self.states(self.pixels(pictures)))


def load_vision(folder: Path) -> VisionModel:
    """A vision model in a Hugging Face folder, or the vision half of one such as CLIP or SigLIP.

    Of a model in two halves the one that reads is neither loaded nor needed.

    Raises MlubenchError where the folder holds no such model.
    """
    from transformers import AutoImageProcessor, AutoModel

    register_model_classes()
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
    weights = [file_sha256(path) for path in sorted(folder.glob("*.safetensors"))]
    # Of a family whose vision half is no model by itself.
    return VisionModel(digest(weights, 64), getattr(model, "vision_model", model), processor)


def folder_encoder(folder: Path) -> Encoder:
    """The vision model in a folder as an encoder. Raises MlubenchError as `load_vision` does."""
    return load_vision(folder).encoder()


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
