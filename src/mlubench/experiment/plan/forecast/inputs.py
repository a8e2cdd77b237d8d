"""Inputs of the language model on the meta device: as many columns as a run's batches have, and nothing in them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mlubench.experiment.plan.forecast.pictures import PictureLoad
from mlubench.models.mllm import MLLM
from mlubench.models.packing import counts_in_three_axes
from mlubench.models.picture_tokens import features_of_one


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """The pictures of a batch, one a row."""

    load: PictureLoad
    # Whether their features are kept from an earlier look, so that the tower is not asked.
    kept: bool = False


def language_inputs(
    mllm: MLLM, rows: int, text: int, shown: Shown | None, *, past: int = 0
) -> dict[str, Any]:
    """Embeddings (B, L, H) of the pictures' tokens and of `text` more, behind `past` columns that are cached.

    The mask (B, 1, L, past + L) is a full one, as that of batches with padding or with packed answers is.
    """
    hidden = int(mllm.base.config.get_text_config().hidden_size)
    dtype = mllm.base.dtype
    columns = [torch.empty(rows, text, hidden, dtype=dtype, device="meta")]
    if shown is not None:
        columns.insert(0, _features(mllm, shown, rows))
    embeddings = torch.cat(columns, 1)
    length = embeddings.shape[1]
    positions = (3, rows, length) if counts_in_three_axes(mllm.base) else (rows, length)
    return {
        "inputs_embeds": embeddings,
        "attention_mask": torch.zeros(rows, 1, length, past + length, dtype=dtype, device="meta"),
        "position_ids": torch.zeros(positions, dtype=torch.long, device="meta"),
    }


def _features(mllm: MLLM, shown: Shown, rows: int) -> Tensor:
    """Of a picture a row, (B, N, H): from the tower, with gradients where it is trained, or as they were kept."""
    hidden = int(mllm.base.config.get_text_config().hidden_size)
    if shown.kept:
        return torch.empty(rows, shown.load.tokens, hidden, dtype=mllm.base.dtype, device="meta")
    found = features_of_one(mllm.base, shown.load.batch(rows)).features
    return found.view(rows, shown.load.tokens, hidden)
