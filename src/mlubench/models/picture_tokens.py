"""What the tower and the projector of any family say of pictures: the rows that the language model reads."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers.utils import ModelOutput

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from mlubench.models.families import Parts


@dataclass
class ImageOutputs(ModelOutput):
    """What transformers' own `get_image_features` returns, as far as the models read it."""

    # A tensor for each picture, or one for all: families differ.
    pooler_output: Sequence[Tensor] | Tensor | None = None
    # For each deeper layer a tensor for each picture; only Qwen3-VL.
    deepstack_features: Sequence[Sequence[Tensor]] | None = None


@dataclass(frozen=True, slots=True)
class PictureFeatures:
    """Features of one picture as the language model takes them."""

    features: Tensor  # (N, H), a row for each of the picture's tokens
    deeper: tuple[Tensor, ...] = ()  # (N, H) each, of the tower's deeper layers; only Qwen3-VL
    # Whether this family hands the features of all pictures on as one tensor.
    joined: bool = False

    @property
    def bytes(self) -> int:
        return sum(t.numel() * t.element_size() for t in (self.features, *self.deeper))


def enters_as_tokens(model: "PreTrainedModel") -> bool:
    """Whether pictures stand among the text's tokens. Llama 3.2 Vision's text looks at them in layers of its own."""
    return hasattr(model, "get_image_features")


def vision_inputs(model: "PreTrainedModel", inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a processor's outputs that the tower takes: pixels, and for some families sizes, grids or masks."""
    taken = set(inspect.signature(model.get_image_features).parameters)
    # The method around it names only some, and hands the others on.
    inner = getattr(model.base_model, "get_image_features", None)
    if inner is not None:
        taken |= set(inspect.signature(inner).parameters)
    return {name: value for name, value in inputs.items() if name in taken}


def features_of_one(model: "PreTrainedModel", inputs: Mapping[str, Any]) -> PictureFeatures:
    """The features of the one picture that `inputs` hold, for a family whose pictures enter as tokens."""
    outputs = model.get_image_features(**vision_inputs(model, inputs), return_dict=True)
    found = outputs.pooler_output
    deeper = tuple(layer[0] for layer in outputs.get("deepstack_features") or ())
    return PictureFeatures(_as_rows(found), deeper, joined=isinstance(found, Tensor))


def as_encoder_outputs(pictures: Sequence[PictureFeatures]) -> dict[str, ImageOutputs]:
    """The features of a batch's pictures in the form that transformers' models take instead of pixels."""
    features: Sequence[Tensor] | Tensor = [picture.features for picture in pictures]
    if pictures[0].joined:
        features = torch.cat([picture.features for picture in pictures])
    # transformers wants a list of pictures for each deeper layer, and we keep a tuple of layers for each picture.
    by_layer = zip(*(picture.deeper for picture in pictures), strict=True)
    outputs = ImageOutputs(
        pooler_output=features, deepstack_features=[list(layer) for layer in by_layer]
    )
    return {"image": outputs}


def tokens_by_picture(
    model: "PreTrainedModel", parts: "Parts", pixels: Mapping[str, Tensor], count: int
) -> list[Tensor] | None:
    """The rows (N, H) of each of `count` pictures; their numbers of tokens may differ.

    None where the model gives more tensors than pictures, as where each tile has its own: then they must be asked about
    one by one.
    """
    if not enters_as_tokens(model):
        return _cross_attended(model, parts, pixels)
    found = model.get_image_features(**vision_inputs(model, pixels), return_dict=True).pooler_output
    if count == 1:
        return [_as_rows(found)]
    return list(found) if len(found) == count else None


def _as_rows(found: Sequence[Tensor] | Tensor) -> Tensor:
    """All rows (N, H), whether they come as tensors of pictures, of tiles, or as one tensor."""
    tensors = [found] if isinstance(found, Tensor) else found
    return torch.cat([tensor.flatten(0, -2) for tensor in tensors])


def _cross_attended(
    model: "PreTrainedModel", parts: "Parts", pixels: Mapping[str, Tensor]
) -> list[Tensor]:
    """What the text's own layers look at of each picture. Tiles that only fill up are left out."""
    tower = model.get_submodule(parts.vision[0])
    names = ("pixel_values", "aspect_ratio_ids", "aspect_ratio_mask")
    states = tower(**{name: pixels[name] for name in names}).last_hidden_state
    # One picture a row, so that the second dimension is 1: (B, 1, tiles, N, H)
    projected = model.get_submodule(parts.projector[0])(states)
    real = pixels["aspect_ratio_mask"].bool()  # (B, 1, tiles)
    rows = []
    for tiles, are_real in zip(projected, real, strict=True):
        rows.append(tiles[are_real].flatten(0, 1))
    return rows
