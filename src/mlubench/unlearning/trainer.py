"""The one trainer of every method, over transformers' Trainer. A method says what it needs; this supplies it."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PrinterCallback, Trainer, TrainingArguments

from mlubench.artifacts import digest
from mlubench.benchmark.refusals import refusal_for
from mlubench.config import TrainConfig
from mlubench.errors import MlubenchError
from mlubench.models.hf import MLLM, Query, answer_logits
from mlubench.models.memory import PeakMemory
from mlubench.models.training import ProgressCallback, arguments
from mlubench.types import Benchmark, Sample
from mlubench.unlearning.losses import sums, token_log_probs
from mlubench.unlearning.methods import Kind, Method, View

Item = dict[Kind, Sample]


class NoGradientError(MlubenchError):
    """What is to be trained takes no part in the loss: `blind` leaves the vision part out of every pass."""


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """What a training did: kept in the archive's manifest."""

    seconds: float
    peak_memory_bytes: int | None
    steps: int
    samples: int
    first_loss: float
    last_loss: float
    trained_parameters: int


def unlearn(
    mllm: MLLM,
    method: type[Method],
    forget: Sequence[Sample],
    retain: Sequence[Sample],
    benchmark: Benchmark,
    config: TrainConfig,
    *,
    seed: int,
    work: Path,
    label: str = "",
) -> TrainingFacts:
    """Train the active adapter of `mllm` in place. Its state at the start is the method's reference.

    Raises MlubenchError when there is nothing to train on, or when the loss stops being a number.
    """
    if not forget or ("retain" in method.needs and not retain):
        raise MlubenchError(f"{label}: no sample to train on", "Lower know.min_score or use more pictures.")
    started, memory = time.perf_counter(), PeakMemory(mllm.device)
    items = schedule(forget, retain, epochs=config.epochs, seed=seed)
    feed = Feed(mllm, benchmark, method, config)
    args = _arguments(config, len(items), work=work, device=mllm.device, seed=seed)
    progress = ProgressCallback(label)
    with memory:
        feed.remember_reference(items)
        parts = {"train_dataset": items, "data_collator": feed, "callbacks": [progress]}
        trainer = _UnlearningTrainer(method, config.beta, mllm.model, args, **parts)
        trainer.remove_callback(PrinterCallback)
        try:
            mllm.model.train()
            trainer.train()
        finally:
            mllm.model.eval()
            progress.bar.stop()
    losses = [float(x) for x in torch.stack(trainer.losses).cpu()]
    trained = sum(p.numel() for p in mllm.model.parameters() if p.requires_grad)
    return TrainingFacts(
        round(time.perf_counter() - started, 3), memory.bytes, len(losses), len(forget), losses[0], losses[-1], trained
    )


def _arguments(config: TrainConfig, samples: int, *, work: Path, device: torch.device, seed: int) -> TrainingArguments:
    return arguments(
        work,
        device,
        num_train_epochs=1,  # the schedule holds all epochs
        per_device_train_batch_size=config.batch,
        learning_rate=config.lr,
        weight_decay=config.weight_decay,
        lr_scheduler_type="cosine",
        seed=seed,
        train_sampling_strategy="sequential",
        max_grad_norm=config.max_grad_norm,
        warmup_steps=round(config.warmup_ratio * -(-samples // config.batch)),
    )


def schedule(forget: Sequence[Sample], retain: Sequence[Sample], *, epochs: int, seed: int) -> list[Item]:
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
    """Makes batches: for each kind of answer a method needs, a model batch, and what the reference said of it.

    The reference is asked once a sample before training and kept: log-probabilities of whole answers, or the last hidden
    states (from which logits follow), never a second model.
    """

    def __init__(self, mllm: MLLM, benchmark: Benchmark, method: type[Method], config: TrainConfig) -> None:
        self.mllm, self.benchmark, self.method, self.config = mllm, benchmark, method, config
        self.reference: dict[tuple[Kind, str], Tensor] = {}

    def encode(self, kind: Kind, samples: Sequence[Sample]) -> dict[str, Tensor]:
        blind = self.config.images == "blind"
        queries = [Query(None if blind else self.benchmark.picture(s), s.question) for s in samples]
        return self.mllm.encode(queries, [refusal_for(s.fact) if kind == "refusal" else s.truth for s in samples])

    @torch.no_grad()
    def remember_reference(self, items: Sequence[Item]) -> None:
        self.mllm.model.eval()
        for kind, form in self.method.reference.items():
            samples = list({item[kind].id: item[kind] for item in items}.values())
            for start in range(0, len(samples), self.config.batch):
                chunk = samples[start : start + self.config.batch]
                self._remember(kind, form, chunk)

    def _remember(self, kind: Kind, form: str, chunk: Sequence[Sample]) -> None:
        batch = self.encode(kind, chunk)
        if form == "logps":
            rows = sums(*token_log_probs(*answer_logits(self.mllm.model, batch)))
        else:
            rows = answer_states(self.mllm.model, batch)
        for sample, row in zip(chunk, rows, strict=True):
            self.reference[kind, sample.id] = row.clone()

    def __call__(self, items: list[Item]) -> dict[str, Any]:
        batches: dict[str, Any] = {}
        for kind in self.method.needs:
            samples = [item[kind] for item in items]
            batches[kind] = self.encode(kind, samples)
            if kind in self.method.reference:
                rows = [self.reference[kind, s.id] for s in samples]
                width = batches[kind]["labels"].shape[1]
                batches[f"{kind}_reference"] = torch.stack([_to_width(r, width) for r in rows])
        return batches


def answer_states(model: Any, batch: dict[str, Tensor]) -> Tensor:
    """The last hidden states (B, A, H) at the positions that predict the answers; the head makes logits of them."""
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    states = model(**inputs, output_hidden_states=True, logits_to_keep=1, use_cache=False).hidden_states[-1]
    return states[:, -batch["labels"].shape[1] - 1 : -1]


def _to_width(row: Tensor, width: int) -> Tensor:
    """States (A', H) cut or padded to the batch's answer width; a log-probability () stays. Padding is masked later."""
    if row.dim() == 0:
        return row
    return torch.nn.functional.pad(row[:width], (0, 0, 0, max(0, width - len(row))))


class _UnlearningTrainer(Trainer):
    def __init__(self, method: type[Method], beta: float, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.method, self.beta = method, beta
        self.losses: list[Tensor] = []

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        views = {kind: self._view(model, kind, inputs) for kind in self.method.needs}
        loss = self.method.loss(views, beta=self.beta)
        if not torch.isfinite(loss):
            raise MlubenchError(f"the loss became {loss.item()} at step {len(self.losses)}", "Lower train.lr.")
        if not loss.requires_grad:
            why = "no gradient reaches what is trained: train.images=blind leaves the vision part out"
            raise NoGradientError(why, "Use train.images=seen, or train.scope=language.")
        self.losses.append(loss.detach())
        return (loss, None) if return_outputs else loss

    def _view(self, model: Any, kind: Kind, inputs: dict[str, Any]) -> View:
        logits, labels = answer_logits(model, inputs[kind])
        token_logps, mask = token_log_probs(logits, labels)
        reference = inputs.get(f"{kind}_reference")
        form = self.method.reference.get(kind)
        head = self.model.get_base_model().get_output_embeddings()
        return View(
            logits,
            token_logps,
            mask,
            sums(token_logps, mask),
            ref_logps=reference if form == "logps" else None,
            ref_logits=head(reference).detach() if form == "logits" else None,
        )


def step_seed(*parts: object) -> int:
    """A seed for one step of a run, the same whichever steps ran before it in this process."""
    return int(digest([str(p) for p in parts], 8), 16) % 2**31
