"""Short trainings of real families at tiny sizes."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mlubench.models.answers import answer_logits
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.settings.training import TrainConfig
from mlubench.types import Benchmark, Sample
from mlubench.unlearning.methods.base import make_method
from mlubench.unlearning.table import LOSSES
from mlubench.unlearning.trainer import TrainingFacts, unlearn

FAMILIES = ["llava", "llava_next", "llava_next_mistral", "qwen2_5_vl", "qwen3_vl"]
TRAINED = [
    name for name in FAMILIES if name != "llava_next_mistral"
]  # whose model is that of llava_next
MODULES = {
    "language": ["language"],
    "projector": ["projector"],
    "vision": ["vision", "projector"],
    "all": ["vision", "projector", "language"],
}


def fit(benchmark: Benchmark, split: str, task: str = "A") -> list[Sample]:
    """Four training samples of different facts."""
    samples = [s for s in benchmark.task(task).split(split) if s.role == "fit" and s.phrasing == 0]  # type: ignore[arg-type]
    return list({s.fact: s for s in samples}.values())[:4]


def step(mllm: MLLM, loss: str, benchmark: Benchmark, work: Path, task: str = "A") -> TrainingFacts:
    """Four steps of the active adapter."""
    config = TrainConfig(lr=5e-3, epochs=4, batch=4)
    method = make_method(loss, LOSSES.resolve(loss), {})
    forget, retain = fit(benchmark, "forget", task), fit(benchmark, "retain", task)
    return unlearn(mllm, method, forget, retain, benchmark, config, seed=0, work=work)


def said(mllm: MLLM, asked: Sequence[Query], answers: Sequence[str]) -> Tensor:
    """Logits of all answer positions, one below the other. (N, V) float32"""
    with torch.no_grad():
        logits, labels = answer_logits(mllm.model, mllm.encode(asked, answers))
    return logits[labels >= 0].float()
