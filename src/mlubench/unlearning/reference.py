"""What the model said at the start of a training, which some losses compare with.

It is asked once a sample before training and kept, so that there is never a second model in memory.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mlubench.core import processes
from mlubench.models.mllm import MLLM
from mlubench.unlearning.batches import PROMPT_OF, BatchBuilder
from mlubench.unlearning.forward import AnswerOutputs, run_batch
from mlubench.unlearning.methods.base import AnswerKind, Method, ReferenceForm
from mlubench.unlearning.schedule import Item

# A kind of answer and a sample's id.
RowKey = tuple[AnswerKind, str]


class Reference:
    """Keeps one tensor for each sample and kind of answer that the method's `reference` names.

    Its shape is that of the form (see `ReferenceForm`) without padding, except that logits are kept as the states (A, H)
    from which the head makes them: the vocabulary is wide.
    """

    def __init__(
        self, mllm: MLLM, method: Method, batch_builder: BatchBuilder, *, batch: int
    ) -> None:
        self.mllm = mllm
        self.method = method
        self.batch_builder = batch_builder
        self.batch = batch  # samples that are asked together
        self.rows: dict[RowKey, Tensor] = {}

    @torch.no_grad()
    def ask(self, items: Sequence[Item]) -> None:
        """Ask the model as it is now about every sample of these items."""
        self.mllm.model.eval()
        kinds_by_prompt: dict[str, list[AnswerKind]] = {}
        for kind in self.method.reference:
            kinds_by_prompt.setdefault(PROMPT_OF[kind], []).append(kind)
        for kinds in kinds_by_prompt.values():
            # Epochs repeat samples; each is asked once. Kinds of one prompt are answers to one sample
            # (a refusal's sample is the forget sample), so the first tells which there are.
            distinct = {item[kinds[0]].id: item for item in items}
            self._ask_all(kinds, list(distinct.values()))

    def _ask_all(self, kinds: Sequence[AnswerKind], items: Sequence[Item]) -> None:
        """Each process asks about its share of the items, and all know all in the end."""
        chunks = [items[n : n + self.batch] for n in range(0, len(items), self.batch)]
        world = processes.world()
        found: dict[RowKey, Tensor] = {}
        for start in range(0, len(chunks), world):
            turn = chunks[start : start + world]
            # A sharded model needs every process in every pass, so in the last turn some repeat another's chunk.
            found |= self._ask_chunk(kinds, turn[processes.rank() % len(turn)])
        if world == 1:
            self.rows |= found
            return
        for part in processes.gathered({key: row.cpu() for key, row in found.items()}):
            for key, row in part.items():
                self.rows[key] = row.to(self.mllm.device)

    def _ask_chunk(
        self, kinds: Sequence[AnswerKind], chunk: Sequence[Item]
    ) -> dict[RowKey, Tensor]:
        found: dict[RowKey, Tensor] = {}
        for batch in self.batch_builder.build(kinds, chunk):
            outputs_by_kind = run_batch(self.mllm, batch, self.method, head_inputs=True)
            for kind, outputs in outputs_by_kind.items():
                rows = _rows(outputs, self.method.reference[kind])
                for number, row in zip(batch.rows, rows, strict=True):
                    found[kind, chunk[number][kind].id] = row
        return found

    def of(self, items: Sequence[Item]) -> dict[AnswerKind, list[Tensor]]:
        """What was said of these items, by kind: a tensor for each item."""
        rows_by_kind: dict[AnswerKind, list[Tensor]] = {}
        for kind in self.method.reference:
            rows_by_kind[kind] = [self.rows[kind, item[kind].id] for item in items]
        return rows_by_kind


def _rows(outputs: AnswerOutputs, form: ReferenceForm) -> list[Tensor]:
    """One tensor for each sample, without padding: batches of training are padded to other widths than these."""
    # `clone` lets go of the batch's memory, which a slice would keep.
    if form == "logps":
        return [row.clone() for row in outputs.logps]
    values: Tensor | None
    mask: Tensor | None = outputs.mask
    if form == "logits":
        values = outputs.head_inputs
    elif form == "all_logits":
        values = outputs.all_head_inputs
        mask = outputs.all_mask
    elif form == "pictures":
        values = outputs.pictures
        mask = outputs.picture_mask
    else:
        values = outputs.states
    assert values is not None and mask is not None
    return [row[real].clone() for row, real in zip(values, mask, strict=True)]
