"""A batch that questions join and leave while it is being answered, token by token.

The newest token of every row stands in the last column, and shorter rows are padded on the left:

    pad    pad    prompt prompt token
    prompt prompt token  token  token
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, RepetitionPenaltyLogitsProcessor
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from mlubench.models.mllm import MLLM
from mlubench.models.packing import counts_in_three_axes
from mlubench.models.query import Query
from mlubench.models.sampling import Sampling, pick

# Layers that look at earlier tokens and keep nothing else.
_ATTENTION = (DynamicLayer, DynamicSlidingWindowLayer)


@dataclass(eq=False)
class Row:
    """One answer in the making."""

    sampling: Sampling
    # Tokens of the answer at most.
    limit: int
    # Tokens of the question, with those of its pictures.
    prompt_tokens: int
    # The number of the next position, as the model counts them: a picture's tokens may share numbers.
    position: int
    generator: torch.Generator | None
    # Of the answer so far, without its end.
    tokens: list[int] = field(default_factory=list)
    # It has ended by itself.
    complete: bool = False

    @property
    def done(self) -> bool:
        return self.complete or len(self.tokens) >= self.limit


class RunningBatch:
    """Rows that are answered together. What is hooked on the base, or mounted, answers with it."""

    def __init__(self, mllm: MLLM) -> None:
        self.mllm = mllm
        self.rows: list[Row] = []
        self._cache: DynamicCache | None = None
        # Layers that look at pictures, and keep these and nothing of the text: Llama 3.2 Vision's.
        text = mllm.base.config.get_text_config()
        self._looking = set(getattr(text, "cross_attention_layers", None) or ())
        # Which tiles of its pictures a row's tokens look at there, (B, 1, pictures, tiles).
        self._tiles: Tensor | None = None
        # Every token so far and whether it counts, (B, L); the last column is not in the cache yet.
        self._ids = torch.zeros(0, 0, dtype=torch.long)
        self._mask = torch.zeros(0, 0, dtype=torch.long)
        self._ends = set(mllm.tokenizer.convert_tokens_to_ids(list(mllm.ends)))
        penalty = mllm.base.generation_config.repetition_penalty
        self._penalty = None
        if penalty is not None and penalty != 1:
            self._penalty = RepetitionPenaltyLogitsProcessor(penalty)

    def __len__(self) -> int:
        return len(self.rows)

    def start(
        self,
        queries: Sequence[Query],
        samplings: Sequence[Sampling],
        limits: Sequence[int],
        *,
        ahead: int = 0,
    ) -> None:
        """Read the questions and give each its first token. All have pictures, or none has; the batch must be empty.

        Answers go on for `ahead` tokens where there is room, though their limit is less. Raises TooLongError where a
        prompt leaves no room for its answer, and what `MLLM.encode` raises.
        """
        assert not self.rows, "questions are read in a batch of their own, which then joins another"
        batch = self.mllm.encode(queries)
        mask = batch["attention_mask"]  # (B, P)
        prompt_tokens = mask.sum(1).tolist()
        for count, limit in zip(prompt_tokens, limits, strict=True):
            self.mllm.require_room(count, limit)
        cache = self._new_cache()
        inputs: dict[str, Any] = dict(batch)
        if not counts_in_three_axes(self.mllm.base):
            inputs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
        with self.mllm.no_gradients():
            output = self.mllm.model(**inputs, cache=cache, use_cache=True, logits_to_keep=1)
        deltas = self._position_deltas(batch)
        for row, sampling in enumerate(samplings):
            room = self.mllm.positions - prompt_tokens[row]
            limit = min(max(limits[row], ahead), room)
            position = prompt_tokens[row] + deltas[row]
            self.rows.append(
                Row(sampling, limit, prompt_tokens[row], position, sampling.generator())
            )
        self._cache = cache
        self._ids = batch["input_ids"]
        self._mask = mask
        if "cross_attention_mask" in batch:
            self._tiles = batch["cross_attention_mask"][:, -1:]
        self._append(output.logits[:, -1])

    def step(self) -> None:
        """One more token for every row. The rows that are done must have left."""
        positions = torch.tensor([[row.position] for row in self.rows], device=self.mllm.device)
        for row in self.rows:
            row.position += 1
        if counts_in_three_axes(self.mllm.base):
            positions = positions.expand(3, -1, -1)
        pictures = {} if self._tiles is None else {"cross_attention_mask": self._tiles}
        with self.mllm.no_gradients():
            output = self.mllm.model(
                input_ids=self._ids[:, -1:],
                attention_mask=self._mask,
                position_ids=positions,
                cache=self._cache,
                use_cache=True,
                **pictures,
            )
        self._append(output.logits[:, -1])

    def keep(self, rows: Sequence[int]) -> None:
        """Only these rows, in this order. Columns that none of them needs are given up."""
        self.rows = [self.rows[row] for row in rows]
        if not rows:
            self._cache = None
            return
        index = torch.tensor(rows, device=self.mllm.device)
        mask = self._mask.index_select(0, index)
        # Where the longest row begins.
        first = int(mask.any(0).int().argmax())
        self._mask = mask[:, first:]
        self._ids = self._ids.index_select(0, index)[:, first:]
        for layer in self._layers:
            layer.keys = layer.keys.index_select(0, index)[..., first:, :]
            layer.values = layer.values.index_select(0, index)[..., first:, :]
        for layer in self._picture_layers:
            layer.keys = layer.keys.index_select(0, index)
            layer.values = layer.values.index_select(0, index)
        if self._tiles is not None:
            self._tiles = self._tiles.index_select(0, index)

    @property
    def joinable(self) -> bool:
        """Whether other rows can join: not where a layer keeps something else than all earlier keys and values."""
        return not self._looking and all(type(layer) is DynamicLayer for layer in self._layers)

    def join(self, other: "RunningBatch") -> None:
        """Take over the rows of another batch behind one's own; both are `joinable`, and the other is of no use then."""
        if not other.rows:
            return
        if not self.rows:
            self.rows = other.rows
            self._cache, self._ids, self._mask = other._cache, other._ids, other._mask
            return
        width = max(self._ids.shape[1], other._ids.shape[1])
        self._ids = _both(self._ids, other._ids, width)
        self._mask = _both(self._mask, other._mask, width)
        for mine, theirs in zip(self._layers, other._layers, strict=True):
            # The newest token of every row is not in the cache yet.
            mine.keys = _both(mine.keys, theirs.keys, width - 1, axis=-2)
            mine.values = _both(mine.values, theirs.values, width - 1, axis=-2)
        self.rows += other.rows

    def _new_cache(self) -> DynamicCache:
        """One that rows can join, wherever all layers attend to earlier tokens."""
        cache = DynamicCache(config=self.mllm.base.config.get_text_config())
        if all(type(layer) in _ATTENTION for layer in cache.layers):
            # A layer with a window then keeps what lies outside it too, and its mask says what it looks at.
            return DynamicCache()
        return cache

    def _append(self, logits: Tensor) -> None:
        """The next token of every row, by the logits (B, V) that predict it."""
        scores = logits.float()
        if self._penalty is not None:
            scores = self._penalty(self._ids, scores)
        tokens = pick(scores, [row.sampling for row in self.rows], [r.generator for r in self.rows])
        for row, token in zip(self.rows, tokens.tolist(), strict=True):
            if token in self._ends:
                row.complete = True
            else:
                row.tokens.append(token)
        self._ids = torch.cat([self._ids, tokens[:, None]], 1)
        self._mask = torch.cat([self._mask, torch.ones_like(self._mask[:, :1])], 1)

    @property
    def _layers(self) -> list[DynamicLayer]:
        """What is kept of the text, by layer."""
        return [layer for number, layer in self._kept if number not in self._looking]

    @property
    def _picture_layers(self) -> list[DynamicLayer]:
        """What layers that look at pictures have kept of these."""
        return [layer for number, layer in self._kept if number in self._looking]

    @property
    def _kept(self) -> list[tuple[int, DynamicLayer]]:
        """The layers with their numbers. Those that look at pictures have kept nothing where there is none."""
        layers = [] if self._cache is None else self._cache.layers
        return [
            (number, layer)
            for number, layer in enumerate(layers)
            if getattr(layer, "is_initialized", True)
        ]

    def _position_deltas(self, batch: dict[str, Tensor]) -> list[int]:
        """How much further the positions of each row are than its tokens."""
        pictured = "image_grid_thw" in batch
        if not (counts_in_three_axes(self.mllm.base) and pictured):
            return [0] * len(batch["input_ids"])
        deltas: list[int] = self.mllm.base.model.rope_deltas.flatten().tolist()
        return deltas


def _both(first: Tensor, second: Tensor, width: int, axis: int = -1) -> Tensor:
    """One below the other, each padded on the left of `axis` to so many columns."""
    return torch.cat([_padded(first, width, axis), _padded(second, width, axis)])


def _padded(values: Tensor, width: int, axis: int) -> Tensor:
    missing = width - values.shape[axis]
    if not missing:
        return values
    shape = list(values.shape)
    shape[axis] = missing
    return torch.cat([values.new_zeros(shape), values], axis)
