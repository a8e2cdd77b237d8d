"""Model inputs for the items of a step: which answers share a pass, their prompts and their labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.data.refusals import refusal_of
from mlubench.models.answers import answer_labels
from mlubench.models.mllm import MLLM
from mlubench.models.packing import can_pack, pack_answers
from mlubench.models.prompt_cache import PromptCache
from mlubench.models.query import Query
from mlubench.settings.training import TrainConfig
from mlubench.types import Benchmark, Sample
from mlubench.unlearning.methods.base import AnswerKind
from mlubench.unlearning.schedule import Item

# Kinds with the same value ask the same question about the same picture, so their answers can share a prompt.
PROMPT_OF: Mapping[AnswerKind, str] = {
    "forget": "forget",
    "refusal": "forget",
    "alternate": "forget",
    "words": "words",
    "retain": "retain",
}


def kinds_by_pass(kinds: Sequence[AnswerKind], *, pack: bool) -> list[list[AnswerKind]]:
    """Which kinds of answer share a pass: with `pack` those to the same prompt, else none."""
    remaining = list(kinds)
    passes = []
    while remaining:
        together = [remaining[0]]
        if pack:
            prompt = PROMPT_OF[remaining[0]]
            together = [kind for kind in remaining if PROMPT_OF[kind] == prompt]
        remaining = [kind for kind in remaining if kind not in together]
        passes.append(together)
    return passes


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """One pass of the model: prompts (B, P), and one or more answers behind each."""

    # What the model is called with; `input_ids` is (B, P + W), W the sum of the widths A of all answers.
    inputs: dict[str, Any]
    # The tokens (B, A) of each kind of answer, in the order in which they stand in a row.
    labels: dict[AnswerKind, Tensor]
    # The numbers of the items that the rows are of: all of the step, or those with a picture, or those without.
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What one training step looks at."""

    batches: list[PackedBatch]
    # What the reference said, by kind: a tensor for each item.
    reference: Mapping[AnswerKind, Sequence[Tensor]]


class BatchBuilder:
    """Makes model inputs of items. Answers to the same prompt share a pass where the model can keep them apart."""

    def __init__(self, mllm: MLLM, benchmark: Benchmark, config: TrainConfig) -> None:
        self.mllm = mllm
        self.benchmark = benchmark
        self.with_images = config.images == "seen"
        self.pack = config.pack and can_pack(mllm.base)
        # Features may be kept only while training leaves the vision part as it is.
        megabytes = 0 if trains_vision(mllm) else config.vision_cache_mb
        self.prompts = PromptCache(mllm, int(megabytes * 2**20))

    def build(self, kinds: Sequence[AnswerKind], items: Sequence[Item]) -> Iterator[PackedBatch]:
        """The batches in which the items' answers of these kinds are passed through the model.

        A pass has a picture in every row, or in none. Raises UsageError where a sharded model would have to make passes
        of both kinds: processes would make different numbers of them.
        """
        for together in kinds_by_pass(kinds, pack=self.pack):
            for rows in self._alike(together[0], items):
                yield self._batch(together, items, rows)

    def _alike(self, kind: AnswerKind, items: Sequence[Item]) -> list[tuple[int, ...]]:
        """The numbers of the items with a picture, and of those without; groups without an item are left out."""
        shown = [row for row, item in enumerate(items) if self._shows(item[kind])]
        in_words = [row for row, item in enumerate(items) if not self._shows(item[kind])]
        if self.mllm.sharded and shown and in_words:
            raise UsageError(
                "a batch holds samples with and without a picture, which a sharded base cannot train on",
                "Train without FSDP, or without pictures: -s train.images=blind.",
            )
        return [tuple(rows) for rows in (shown, in_words) if rows]

    def _shows(self, sample: Sample) -> bool:
        """Whether the sample is asked with its picture."""
        return self.with_images and bool(sample.image)

    def _batch(
        self, kinds: Sequence[AnswerKind], all_items: Sequence[Item], rows: tuple[int, ...]
    ) -> PackedBatch:
        """`kinds` share their prompts. `rows` are the numbers of the items that are passed."""
        items = [all_items[row] for row in rows]
        queries: list[Query] = []
        for item in items:
            sample = item[kinds[0]]
            image = self.benchmark.picture(sample) if self._shows(sample) else None
            queries.append(Query(image, sample.question))
        prompt = self.prompts.batch(queries)  # (B, P)
        labels: dict[AnswerKind, Tensor] = {}
        for kind in kinds:
            ids = [self._answer_ids(kind, item) for item in items]
            labels[kind] = answer_labels(ids, self.mllm.device)  # (B, A)
            self._require_room(kind, items, prompt["attention_mask"], ids)
        pad = self.mllm.tokenizer.pad_token_id
        inputs = pack_answers(self.mllm.base, prompt, list(labels.values()), pad)
        return PackedBatch(inputs, labels, rows)

    def _require_room(
        self,
        kind: AnswerKind,
        items: Sequence[Item],
        prompt_mask: Tensor,
        ids: Sequence[Sequence[int]],
    ) -> None:
        """Raises MlubenchError for a sample with more tokens than the model has positions. `prompt_mask` is (B, P)."""
        positions = self.mllm.positions
        # Padding counts here, so that in nearly every batch nothing is to be read from the device.
        if prompt_mask.shape[1] + max(map(len, ids)) <= positions:
            return
        for item, prompt, answer in zip(items, prompt_mask.sum(1).tolist(), ids, strict=True):
            if prompt + len(answer) > positions:
                raise MlubenchError(
                    f"record {item[kind].id} ({item[kind].image}) has {prompt + len(answer):,} tokens, "
                    f"and the model {positions:,} positions",
                    "Shorten it or leave it out.",
                )

    def _answer_ids(self, kind: AnswerKind, item: Item) -> list[int]:
        sample = item[kind]
        answer = refusal_of(sample) if kind == "refusal" else sample.truth
        return self.mllm.answer_ids(sample.question, answer, with_image=self._shows(sample))


def trains_vision(mllm: MLLM) -> bool:
    """Whether an adapter is mounted on what pictures pass through: the vision tower or the projector."""
    modules = mllm.parts.of_scope("vision")
    for name, _ in mllm.model.named_parameters():
        is_adapter = ".lora_" in name or "modules_to_save" in name
        if is_adapter and any(module in name for module in modules):
            return True
    return False
