"""What a step is made of: which samples come when, their batches, and what the reference said of them."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from mlubench.core import processes
from mlubench.data.refusals import refusal_for
from mlubench.models.answers import answer_labels
from mlubench.models.mllm import MLLM, Query
from mlubench.models.packing import can_pack, pack_answers
from mlubench.models.prompt_cache import PromptCache
from mlubench.settings.run import TrainConfig
from mlubench.types import Benchmark, Sample
from mlubench.unlearning.forward import Group, Step, outputs_of
from mlubench.unlearning.methods.base import Form, Kind, Method

Item = dict[Kind, Sample]


def schedule(
    forget: Sequence[Sample], retain: Sequence[Sample], *, epochs: int, seed: int
) -> list[Item]:
    """The samples in training order: each epoch every forget sample once, beside a retain sample that goes round."""
    dice = random.Random(seed)
    kept = random.Random(seed).sample(list(retain), len(retain))
    items: list[Item] = []
    for _ in range(epochs):
        for sample in dice.sample(list(forget), len(forget)):
            item: Item = {"forget": sample, "refusal": sample}
            if kept:
                item["retain"] = kept[len(items) % len(kept)]
            items.append(item)
    return items


class Feed:
    """Makes steps: for each kind of answer a method needs, model inputs and labels, and what the reference said.

    The reference is asked once a sample before training and kept: log-probabilities of whole answers, or hidden states
    (from which logits follow), never a second model. Answers to the same prompt share a pass where the model can.
    """

    def __init__(
        self, mllm: MLLM, benchmark: Benchmark, method: Method, config: TrainConfig
    ) -> None:
        self.mllm, self.benchmark, self.method, self.config = mllm, benchmark, method, config
        self.prompts = PromptCache(
            mllm, 0 if _changes_pictures(mllm) else int(config.vision_cache_mb * 2**20)
        )
        self.reference: dict[tuple[Kind, str], Tensor] = {}

    def _prompt_of(self, kind: Kind) -> str:
        """Kinds with the same name here ask the same question about the same picture."""
        return "retain" if kind == "retain" else "forget"

    def groups(self, kinds: Sequence[Kind], items: Sequence[Item]) -> Iterator[Group]:
        """The kinds in groups that share their prompt: one pass of the model each."""
        share = self.config.pack and can_pack(self.mllm.base)
        left = list(kinds)
        while left:
            together = [
                k
                for k in left
                if k == left[0] or (share and self._prompt_of(k) == self._prompt_of(left[0]))
            ]
            left = [k for k in left if k not in together]
            yield self._group(together, items)

    def _group(self, kinds: Sequence[Kind], items: Sequence[Item]) -> Group:
        queries = [self._query(item[kinds[0]]) for item in items]
        prompt = self.prompts.batch(queries)
        labels = {
            kind: answer_labels(self._answers(kind, items), self.mllm.device) for kind in kinds
        }
        pad = self.mllm.tokenizer.pad_token_id
        return Group(pack_answers(self.mllm.base, prompt, list(labels.values()), pad), labels)

    def _query(self, sample: Sample) -> Query:
        return Query(
            None if self.config.images == "blind" else self.benchmark.picture(sample),
            sample.question,
        )

    def _answers(self, kind: Kind, items: Sequence[Item]) -> list[list[int]]:
        seen = self.config.images == "seen"
        samples = [item[kind] for item in items]
        texts = [refusal_for(s.fact) if kind == "refusal" else s.truth for s in samples]
        return [
            self.mllm.answer_ids(s.question, t, with_image=seen)
            for s, t in zip(samples, texts, strict=True)
        ]

    @torch.no_grad()
    def remember_reference(self, items: Sequence[Item]) -> None:
        """Ask the model as it is now about every sample that the method's reference is asked of."""
        self.mllm.model.eval()
        by_prompt: dict[str, list[Kind]] = {}
        for kind in self.method.reference:
            by_prompt.setdefault(self._prompt_of(kind), []).append(kind)
        for kinds in by_prompt.values():
            known = list({item[kinds[0]].id: item for item in items}.values())
            chunks = [
                known[start : start + self.config.batch]
                for start in range(0, len(known), self.config.batch)
            ]
            found: dict[tuple[Kind, str], Tensor] = {}
            for turn in range(0, len(chunks), processes.world()):
                here = chunks[turn : turn + processes.world()]
                found |= self._asked(
                    kinds, here[processes.rank() % len(here)]
                )  # a sharded model needs all in every pass
            self.reference |= _of_all(found, self.mllm.device)

    def _asked(
        self, kinds: Sequence[Kind], chunk: Sequence[Item]
    ) -> dict[tuple[Kind, str], Tensor]:
        found: dict[tuple[Kind, str], Tensor] = {}
        for group in self.groups(kinds, chunk):
            for kind, said in outputs_of(self.mllm, group, self.method, states=True).items():
                rows = _remembered(said, self.method.reference[kind])
                found |= {(kind, item[kind].id): row for item, row in zip(chunk, rows, strict=True)}
        return found

    def __call__(self, items: Sequence[Item]) -> dict[str, Step]:
        """The step of a batch of items, in the dictionary that transformers' Trainer wants of a collator."""
        groups = list(self.groups(self.method.needs, items))
        said = {
            kind: [self.reference[kind, item[kind].id] for item in items]
            for kind in self.method.reference
        }
        return {"step": Step(groups, said)}


def _of_all(
    found: dict[tuple[Kind, str], Tensor], device: torch.device
) -> dict[tuple[Kind, str], Tensor]:
    """What every process has found."""
    if processes.world() == 1:
        return found
    parts = processes.gathered({key: row.cpu() for key, row in found.items()})
    return {key: row.to(device) for part in parts for key, row in part.items()}


def _changes_pictures(mllm: MLLM) -> bool:
    """Whether an adapter is mounted on what pictures pass through, so that features cannot be kept."""
    parts = mllm.parts.of_scope("vision")
    return any(
        p in name and (".lora_" in name or "modules_to_save" in name)
        for name, _ in mllm.model.named_parameters()
        for p in parts
    )


def _remembered(said: Any, form: Form) -> list[Tensor]:
    """One tensor a sample, real positions only, on the model's device and apart from the batch's memory."""
    if form == "logps":
        return [row.clone() for row in said.logps]
    wanted = {"logits": said.final, "all_logits": said.all_final, "states": said.states}[form]
    mask = said.all_mask if form == "all_logits" else said.mask
    return [row[real].clone() for row, real in zip(wanted, mask, strict=True)]
