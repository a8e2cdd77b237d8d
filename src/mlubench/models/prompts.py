"""Prompts ready for training: each is tokenised once, and the features of each picture are computed once, within a limit.

What is kept is exact: the tower and the projector are frozen, so the same picture always gives the same features.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.utils import ModelOutput

from mlubench.core.files import digest, file_sha256
from mlubench.data.pictures import stamp
from mlubench.models.mllm import MLLM, Query

_PIXELS = ("pixel_values",)  # what the features stand in for


@dataclass(frozen=True, slots=True)
class Picture:
    """Features (N, H) of one picture as the language model takes them, and those of deeper layers if a family has them."""

    features: Tensor
    deeper: tuple[Tensor, ...] = ()

    @property
    def size(self) -> int:
        return sum(t.numel() * t.element_size() for t in (self.features, *self.deeper))


@dataclass
class _Outputs(ModelOutput):
    """What the models' own `get_image_features` returns, as far as they read it."""

    pooler_output: list[Tensor] | None = None
    deepstack_features: list[list[Tensor]] | None = None


def as_outputs(pictures: Sequence[Picture]) -> dict[str, Any]:
    """The features of a batch's pictures in the form that transformers' models take instead of pixels."""
    deeper = [list(layer) for layer in zip(*(p.deeper for p in pictures), strict=True)]
    return {
        "image": _Outputs(pooler_output=[p.features for p in pictures], deepstack_features=deeper)
    }


@dataclass(eq=False)
class Prompts:
    """Makes batches of prompts for one model. With `limit` bytes above 0, tokens and picture features are kept.

    Features are keyed by the picture's content, the model and its processor; the least recently used go first. A picture
    that finds no room is computed anew each time.
    """

    mllm: MLLM
    limit: int
    used: int = 0
    _features: OrderedDict[tuple[str, str], Picture] = field(
        default_factory=OrderedDict, repr=False
    )
    _rows: dict[tuple[Query, str], dict[str, Tensor]] = field(default_factory=dict, repr=False)
    _content: dict[tuple[Path, int, int], str] = field(default_factory=dict, repr=False)
    _maker: str = ""

    def batch(self, queries: Sequence[Query]) -> dict[str, Any]:
        """Model inputs (B, P), padded on the left, as `MLLM.encode` gives them; features in place of pixels if kept."""
        if not self.limit or queries[0].image is None:
            return dict(self.mllm.encode(queries))
        rows = [self._row(q) for q in queries]
        batch: dict[str, Any] = _pad_left(rows, self.mllm.tokenizer.pad_token_id)
        batch["mm_encoder_outputs"] = as_outputs([self._picture(q) for q in queries])
        return batch

    def _row(self, query: Query) -> dict[str, Tensor]:
        """The inputs of one prompt but for its pixels, whose features are computed on the way where they are not known."""
        row = query, self._key(query)[1]
        if row not in self._rows:
            inputs = self.mllm.encode([query])
            self._keep(query, inputs)
            self._rows[row] = {name: value for name, value in inputs.items() if name not in _PIXELS}
        return self._rows[row]

    def _key(self, query: Query) -> tuple[str, str]:
        assert query.image is not None
        file = query.image, *stamp(query.image)
        if file not in self._content:
            self._content[file] = file_sha256(query.image)
        if not self._maker:
            self._maker = digest([self.mllm.name, self.mllm.processor.image_processor.to_dict()])
        return self._maker, self._content[file]

    def _picture(self, query: Query) -> Picture:
        key = self._key(query)
        if key in self._features:
            self._features.move_to_end(key)
            return self._features[key]
        return self._keep(query, self.mllm.encode([query]))

    @torch.no_grad()
    def _keep(self, query: Query, inputs: dict[str, Tensor]) -> Picture:
        key = self._key(query)
        if key in self._features:
            return self._features[key]
        wanted = {
            n: v for n, v in inputs.items() if n in (*_PIXELS, "image_sizes", "image_grid_thw")
        }
        found = self.mllm.base.get_image_features(**wanted, return_dict=True)
        deeper = tuple(layer[0] for layer in found.get("deepstack_features") or ())
        picture = Picture(found.pooler_output[0], deeper)
        if picture.size > self.limit:
            return picture
        while self.used + picture.size > self.limit:
            self.used -= self._features.popitem(last=False)[1].size
        self._features[key] = picture
        self.used += picture.size
        return picture


def _pad_left(rows: Sequence[dict[str, Tensor]], pad: int) -> dict[str, Any]:
    """Rows (1, P) of tokens brought to one width on the left, and what is per picture (its size or grid) stacked."""
    width = max(row["input_ids"].shape[1] for row in rows)
    batch: dict[str, Any] = {}
    for name, first in rows[0].items():
        if first.shape == rows[0]["input_ids"].shape:
            fill = pad if name == "input_ids" else 0
            parts = [
                torch.nn.functional.pad(r[name], (width - r[name].shape[1], 0), value=fill)
                for r in rows
            ]
        else:
            parts = [r[name] for r in rows]
        batch[name] = torch.cat(parts)
    return batch
