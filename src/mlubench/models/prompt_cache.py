"""Prompts ready for training: each is tokenised once, and the features of each picture are computed once.

What is kept is exact: the vision tower and the projector are frozen, so the same picture always gives the same features.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mlubench.core.files import digest, file_sha256
from mlubench.data.pictures import stamp
from mlubench.models.mllm import MLLM
from mlubench.models.picture_tokens import (
    PictureFeatures,
    as_encoder_outputs,
    enters_as_tokens,
    features_of_one,
)
from mlubench.models.query import Query

# What the inputs that only a vision tower looks at begin with: pixels, and where they are.
PIXELS = "pixel_"


@dataclass(eq=False)
class PromptCache:
    """Makes batches of prompts for one model, and keeps their tokens and the features of their pictures.

    Features are keyed by the picture's content, the model and its processor. The least recently used go first. A
    picture that finds no room is computed anew each time.
    """

    mllm: MLLM
    limit: int  # bytes of features that may be kept; 0 keeps nothing, tokens included
    used: int = 0  # bytes of features that are kept
    _features: OrderedDict[tuple[str, str], PictureFeatures] = field(
        default_factory=OrderedDict, repr=False
    )
    # Tokens of a prompt. They depend on the picture too, as some families spend more tokens on a larger one: the
    # second part of the key is the hash of the picture's content.
    _rows: dict[tuple[Query, str], dict[str, Tensor]] = field(default_factory=dict, repr=False)
    # SHA-256 of pictures, by path and stamp, so that a file is read anew only once it has changed.
    _content: dict[tuple[Path, int, int], str] = field(default_factory=dict, repr=False)
    _model_digest: str = ""  # of what makes features of pixels; computed when first needed

    def batch(self, queries: Sequence[Query]) -> dict[str, Any]:
        """Model inputs (B, P), padded on the left, as `MLLM.encode` gives them; features in place of pixels if kept."""
        keeps = self.limit and queries[0].image is not None and enters_as_tokens(self.mllm.base)
        if not keeps:
            return dict(self.mllm.encode(queries))
        rows = [self._row(query) for query in queries]
        batch: dict[str, Any] = _pad_left(rows, self.mllm.tokenizer.pad_token_id)
        batch["mm_encoder_outputs"] = as_encoder_outputs([self._picture(q) for q in queries])
        return batch

    def _row(self, query: Query) -> dict[str, Tensor]:
        """The inputs (1, P) of one prompt, without its pixels."""
        _, content = self._key(query)
        key = (query, content)
        if key not in self._rows:
            inputs = self.mllm.encode([query])
            # The pixels are here now, and would have to be made again later.
            self._compute(query, inputs)
            kept = {n: value for n, value in inputs.items() if not n.startswith(PIXELS)}
            self._rows[key] = kept
        return self._rows[key]

    def _picture(self, query: Query) -> PictureFeatures:
        key = self._key(query)
        if key in self._features:
            self._features.move_to_end(key)
            return self._features[key]
        return self._compute(query, self.mllm.encode([query]))

    def _key(self, query: Query) -> tuple[str, str]:
        """What the features of a query's picture depend on: the model and its processor, and the picture's content."""
        assert query.image is not None
        file = (query.image, *stamp(query.image))
        if file not in self._content:
            self._content[file] = file_sha256(query.image)
        if not self._model_digest:
            processor = self.mllm.processor.image_processor
            self._model_digest = digest([self.mllm.name, processor.to_dict()])
        return self._model_digest, self._content[file]

    @torch.no_grad()
    def _compute(self, query: Query, inputs: dict[str, Tensor]) -> PictureFeatures:
        """The features of the query's picture, which are kept from now on where there is room for them."""
        key = self._key(query)
        if key in self._features:
            return self._features[key]
        picture = features_of_one(self.mllm.base, inputs)
        if picture.bytes > self.limit:
            return picture
        while self.used + picture.bytes > self.limit:
            _, oldest = self._features.popitem(last=False)
            self.used -= oldest.bytes
        self._features[key] = picture
        self.used += picture.bytes
        return picture


def _pad_left(rows: Sequence[dict[str, Tensor]], pad: int) -> dict[str, Tensor]:
    """Rows (1, P) of tokens brought to one width on the left, and what is per picture (its size or grid) stacked."""
    width = max(row["input_ids"].shape[1] for row in rows)
    batch: dict[str, Tensor] = {}
    for name, first in rows[0].items():
        values = [row[name] for row in rows]
        if first.shape == rows[0]["input_ids"].shape:  # per token
            fill = pad if name == "input_ids" else 0
            values = [F.pad(v, (width - v.shape[1], 0), value=fill) for v in values]
        batch[name] = torch.cat(values)
    return batch
