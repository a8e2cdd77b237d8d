"""Short trainings of the tiny LLaVA, for the tests of the trainer."""

from collections.abc import Sequence
from pathlib import Path

import torch

from mlubench.data.refusals import refusal_for
from mlubench.models.adapters import add_adapter
from mlubench.models.answers import answer_logits
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.settings.training import LoraConfig, TrainConfig
from mlubench.types import Benchmark, Sample
from mlubench.unlearning.losses import sums, token_log_probs
from mlubench.unlearning.methods.base import Method, make_method
from mlubench.unlearning.table import LOSSES
from mlubench.unlearning.trainer import TrainingFacts, unlearn

LORA = LoraConfig(r=8, alpha=8)
QUICK = TrainConfig(lr=5e-3, epochs=3, batch=4, lora=LORA)
HARD = QUICK.model_copy(
    update={"lr": 1e-2, "epochs": 8}
)  # enough for gradient ascent to break things


def fit(benchmark: Benchmark, split: str, task: str = "A", count: int = 8) -> list[Sample]:
    """Training samples of different facts and entities."""
    samples = [s for s in benchmark.task(task).split(split) if s.role == "fit" and s.phrasing == 0]
    return list({s.fact: s for s in samples}.values())[:count]


def method_of(name: str, **options: float) -> Method:
    return make_method(name, LOSSES.resolve(name), options)


def train(
    mllm: MLLM,
    name: str,
    benchmark: Benchmark,
    work: Path,
    config: TrainConfig = QUICK,
    *,
    seed: int = 0,
    fresh: bool = True,
    retain: Sequence[Sample] | None = None,
) -> TrainingFacts:
    if fresh:
        add_adapter(mllm, name, config.lora, config.scope, seed=seed, full=config.full)
    kept = fit(benchmark, "retain") if retain is None else retain
    return unlearn(
        mllm,
        method_of(name, **config.options),
        fit(benchmark, "forget"),
        kept,
        benchmark,
        config,
        seed=seed,
        work=work,
    )


def log_prob(
    mllm: MLLM,
    benchmark: Benchmark,
    samples: Sequence[Sample],
    answers: Sequence[str] | None = None,
) -> float:
    """Mean log-probability of whole answers: the truths, or those given."""
    queries = [Query(benchmark.picture(s), s.question) for s in samples]
    with torch.no_grad():
        out = answer_logits(mllm.model, mllm.encode(queries, answers or [s.truth for s in samples]))
    return float(sums(*token_log_probs(*out)).mean())


def levels(mllm: MLLM, benchmark: Benchmark) -> dict[str, float]:
    forget = fit(benchmark, "forget")
    return {
        "truth": log_prob(mllm, benchmark, forget),
        "refusal": log_prob(mllm, benchmark, forget, [refusal_for(s.fact) for s in forget]),
        "retain": log_prob(mllm, benchmark, fit(benchmark, "retain")),
    }


def lora_of(mllm: MLLM, name: str) -> dict[str, torch.Tensor]:
    return {
        k: p.detach().clone()
        for k, p in mllm.model.named_parameters()
        if ".lora_" in k and f".{name}." in k
    }
