"""Steps that train the model a little, through the same trainer as a run."""

import re
from collections import Counter
from collections.abc import Callable
from functools import partial

import torch

from mlubench.core.errors import MlubenchError
from mlubench.core.files import whole_dir
from mlubench.experiment.model_check.findings import NotOfferedError
from mlubench.experiment.model_check.subject import Subject
from mlubench.models.adapters import add_adapter, remove_adapters, save_adapter
from mlubench.models.families import parts_in
from mlubench.models.packing import why_not_packed
from mlubench.models.picture_tokens import enters_as_tokens
from mlubench.settings.training import LoraConfig, TrainConfig
from mlubench.types import Scope
from mlubench.unlearning.batches import BatchBuilder
from mlubench.unlearning.forward import run_batch
from mlubench.unlearning.methods.base import AnswerKind, make_method
from mlubench.unlearning.schedule import Item
from mlubench.unlearning.table import LOSSES
from mlubench.unlearning.trainer import unlearn

# Four steps of a small adapter, at a rate at which any loss falls.
TRAINING = TrainConfig(lr=1e-3, epochs=4, batch=2, lora=LoraConfig(r=4, alpha=8))
KEPT_MEGABYTES = 256
# The experts that later steps answer with: name -> the scope that it is trained in.
EXPERTS: dict[str, Scope] = {"A": "language", "V": "vision"}
# Answers that share a prompt.
KINDS: tuple[AnswerKind, ...] = ("forget", "refusal")


def packed(subject: Subject) -> str:
    """Two answers behind one prompt, against each in a pass of its own."""
    why_not = why_not_packed(subject.mllm.base)
    if why_not is not None:
        raise NotOfferedError(f"each answer has a pass of its own: {why_not}")
    apart = TrainConfig(pack=False, vision_cache_mb=0)
    together = TrainConfig(pack=True, vision_cache_mb=0)
    found = _same_logits(subject, together, apart, "packing changes an answer's logits")
    return f"two answers share a prompt; equal to {found:.0e} standard deviations"


def kept_features(subject: Subject) -> str:
    """Features of pictures that are computed once, against pictures that are seen anew."""
    if not enters_as_tokens(subject.mllm.base):
        raise NotOfferedError("pictures are seen anew at every step, as they enter no tokens")
    anew = TrainConfig(pack=False, vision_cache_mb=0)
    kept = TrainConfig(pack=False, vision_cache_mb=KEPT_MEGABYTES)
    found = _same_logits(subject, kept, anew, "kept features change an answer's logits")
    return f"a picture is seen once; equal to {found:.0e} standard deviations"


def _same_logits(subject: Subject, config: TrainConfig, other: TrainConfig, wrong: str) -> float:
    """The largest distance between the answers' logits under these settings."""
    got = _logits(subject, config)
    wanted = _logits(subject, other)
    return max(subject.require_equal(got[kind], wanted[kind], wrong) for kind in KINDS)


def _logits(subject: Subject, config: TrainConfig) -> dict[AnswerKind, torch.Tensor]:
    """Logits (N, V) of all answers to the records that are to be forgotten, by kind."""
    method = make_method("po", LOSSES.resolve("po"), {})
    builder = BatchBuilder(subject.mllm, subject.benchmark, config)
    items: list[Item] = []
    for sample in subject.benchmark.task("A").forget:
        items.append({"forget": sample, "refusal": sample})
    found = {}
    with torch.no_grad():
        for batch in builder.build(KINDS, items):
            for kind, outputs in run_batch(subject.mllm, batch, method).items():
                found[kind] = outputs.logits[outputs.mask].float()
    return found


def training_in(scope: Scope) -> Callable[[Subject], str]:
    """The step that trains an adapter of this scope."""
    return partial(_train, scope=scope)


def _train(subject: Subject, *, scope: Scope) -> str:
    """The loss falls, and LoRA moves every part of the scope that has linear layers. Experts are kept for later steps."""
    mllm = subject.mllm
    method = make_method("po", LOSSES.resolve("po"), {})
    task = subject.benchmark.task("A")
    try:
        add_adapter(mllm, "default", TRAINING.lora, scope, seed=0)
        facts = unlearn(
            mllm,
            method,
            task.forget,
            task.retain,
            subject.benchmark,
            TRAINING,
            seed=0,
            work=subject.folder / "work",
            label=f"scope {scope}",
        )
        if not facts.last_loss < facts.first_loss:
            raise MlubenchError(
                f"{facts.steps} steps bring the loss from {facts.first_loss:.3f} to {facts.last_loss:.3f}"
            )
        moved = _moved(subject)
        for name, its_scope in EXPERTS.items():
            if its_scope == scope:
                _keep(subject, name)
    finally:
        remove_adapters(mllm)
    still = [part for part in parts_in(scope) if part not in moved]
    text = f"loss {facts.first_loss:.2f} to {facts.last_loss:.2f}; {facts.trained_parameters:,} numbers of LoRA move"
    if scope == "language":
        text += _out_of_reach(subject)
    if still:
        text += f", none of them in the {' or '.join(still)}, which has no linear layer"
    return text


def _out_of_reach(subject: Subject) -> str:
    """What of the language model is not trained: the experts of a mixture, which are no linear layers."""
    mllm = subject.mllm
    counts: Counter[str] = Counter()
    whole = 0
    for name, parameter in mllm.base.named_parameters():
        if mllm.parts.part_of(name) != "language":
            continue
        whole += parameter.numel()
        if parameter.ndim > 2:
            counts[re.sub(r"\.\d+\.", ".*.", name)] += parameter.numel()
    if not counts:
        return ""
    share = counts.total() / whole
    return (
        f"; not trained are the experts of its mixture, {share:.0%} of the language model "
        f"({counts.total():,} numbers: {', '.join(sorted(counts))})"
    )


def _moved(subject: Subject) -> set[str]:
    """The parts in which the adapter has changed. MlubenchError for a part that has LoRA of which nothing has.

    Single layers may stand still: LLaVA takes its features before the last layer of the tower.
    """
    mllm = subject.mllm
    adapted: set[str] = set()
    moved: set[str] = set()
    for name, parameter in mllm.model.named_parameters():
        if ".lora_B." in name:
            part = mllm.parts.part_of(name) or ""
            adapted.add(part)
            if bool(parameter.any()):
                moved.add(part)
    still = sorted(adapted - moved)
    if still:
        raise MlubenchError(f"the {' and the '.join(still)} part takes no part in the loss")
    return moved


def _keep(subject: Subject, name: str) -> None:
    """Archive the adapter that is on the model as an expert."""
    folder = subject.folder / "experts" / name
    facts = {
        "base": subject.mllm.name,
        "base_quantization": subject.mllm.quantization,
        "tasks": [name],
    }
    with whole_dir(folder, facts) as out:
        save_adapter(subject.mllm, "default", out)
