"""What a training step costs, relative to the way the methods' authors describe it: a second model as reference, one pass
for each answer of each model, pixels and the logits of all positions each time.

Steps are interleaved in one process, so that whatever else the machine does falls on all alike; ratios are of medians.
`equal` is the largest relative difference of the losses over a training of both ways from the same start.

    python bench/training.py --json
"""

import argparse
import copy
import json
import statistics
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from mlubench.data import release, world
from mlubench.data.refusals import refusal_for
from mlubench.models.adapters import add_adapter
from mlubench.models.families import parts_of
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.models.quiet import quiet
from mlubench.models.toy.base import build_model, build_processor
from mlubench.settings.model import ToyConfig
from mlubench.settings.training import LoraConfig, TrainConfig
from mlubench.types import Benchmark
from mlubench.unlearning.forward import views_of
from mlubench.unlearning.losses import sums, token_log_probs
from mlubench.unlearning.methods.base import Method, View, make_method
from mlubench.unlearning.schedule import Item, schedule
from mlubench.unlearning.steps import StepBuilder
from mlubench.unlearning.table import LOSSES

SIZES = {  # 64 picture tokens, as 96 pixels by 12 give; about 3 M and 90 M parameters
    "small": ToyConfig(width=192, layers=4, vision_width=96, image_size=96, vocabulary=3000),
    "large": ToyConfig(
        width=768, layers=11, vision_width=384, vision_layers=4, image_size=96, vocabulary=3000
    ),
}
TARGETS = {"dpo": 0.40, "npo": 0.72, "kl": 0.82, "po": 0.35}
BASELINE_OF = {"po": "dpo"}  # a refusal's NLL against the DPO that it stands in for
ABLATIONS = {
    "dpo: reference once": ("dpo", {"pack": False, "vision_cache_mb": 0}),
    "dpo: and pictures kept": ("dpo", {"pack": False}),
    "npo: reference once": ("npo", {"vision_cache_mb": 0}),
    "kl: reference once": ("kl", {"vision_cache_mb": 0}),
}

METHODS_TIMED = ("ga", "gd", "kl", "npo", "po", "dpo")

LossOf = Callable[[Sequence[Item]], torch.Tensor]
Key = tuple[str, str]  # what is trained, and which way


class Way(ABC):
    """One method trained one way: its own model, optimiser and batches."""

    def __init__(self, mllm: MLLM, name: str, config: TrainConfig) -> None:
        self.mllm, self.name, self.config = mllm, name, config
        self.method: Method = make_method(name, LOSSES.resolve(name), {})
        add_adapter(mllm, "default", config.lora, config.scope, seed=0)
        self.optimiser = torch.optim.AdamW(
            [p for p in mllm.model.parameters() if p.requires_grad], lr=config.lr
        )

    @abstractmethod
    def prepare(self, items: Sequence[Item], benchmark: Benchmark) -> LossOf:
        """What is done once before a task; the loss of a batch."""

    def step(self, loss_of: LossOf, items: Sequence[Item]) -> float:
        self.mllm.model.train()
        loss = loss_of(items)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(
            [p for g in self.optimiser.param_groups for p in g["params"]], 1.0
        )
        self.optimiser.step()
        return float(loss.detach())


class Ours(Way):
    def prepare(self, items: Sequence[Item], benchmark: Benchmark) -> LossOf:
        steps = StepBuilder(self.mllm, benchmark, self.method, self.config)
        steps.remember_reference(items)
        return lambda batch: self.method.loss(views_of(self.mllm, steps.build(batch), self.method))


class Described(Way):
    """A deep copy as the reference, and every answer a pass of its own with logits everywhere."""

    def prepare(self, items: Sequence[Item], benchmark: Benchmark) -> LossOf:
        reference = None
        if self.method.reference:
            reference = copy.deepcopy(self.mllm.model).eval().requires_grad_(False)

        def loss(batch: Sequence[Item]) -> torch.Tensor:
            views = {}
            for kind in self.method.needs:
                samples = [item[kind] for item in batch]
                answers = [refusal_for(s.fact) if kind == "refusal" else s.truth for s in samples]
                inputs = self.mllm.encode(
                    [Query(benchmark.picture(s), s.question) for s in samples], answers
                )
                labels = inputs.pop("labels")
                logits, logps, mask = _said(self.mllm.model, inputs, labels)
                extra = {}
                if reference is not None and kind in self.method.reference:
                    with torch.no_grad():
                        ref_logits, ref_logps, _ = _said(reference, inputs, labels)
                    extra = {"ref_logits": ref_logits, "ref_logps": sums(ref_logps, mask)}
                views[kind] = View(logps, mask, sums(logps, mask), logits, **extra)
            return self.method.loss(views)

        return loss


def _said(
    model: Any, inputs: dict[str, Any], labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    logits = model(**inputs, use_cache=False).logits.float()[:, -labels.shape[1] - 1 : -1]
    return logits, *token_log_probs(logits, labels)


def make_base(size: ToyConfig, benchmark: Benchmark) -> MLLM:
    """A LLaVA of that size with random weights: speed does not ask what it knows."""
    torch.manual_seed(0)
    questions = sorted({s.question for s in benchmark.samples})
    processor = build_processor(size, [s.truth for s in benchmark.samples], questions)
    model = build_model(size, processor.tokenizer).eval().requires_grad_(False)
    return MLLM(model, processor, parts_of(model), "random")


def batches_of(items: Sequence[Item], batch: int) -> list[Sequence[Item]]:
    return [items[n : n + batch] for n in range(0, len(items) - batch + 1, batch)]


def measure(
    base: MLLM, benchmark: Benchmark, config: TrainConfig, *, rounds: int, steps: int
) -> list[dict[str, Any]]:
    task = benchmark.tasks[0]
    fit = [
        [s for s in split if s.role == "fit" and s.phrasing == 0]
        for split in (task.forget, task.retain)
    ]
    once = schedule(*fit, epochs=1, seed=0)
    items = once * -(-config.batch * max(steps, rounds + 2) // len(once))
    batches = batches_of(items, config.batch)
    per_task = config.epochs * -(-len(once) // config.batch)

    def fresh(kind: type[Way], name: str, **changes: Any) -> Way:
        copied = MLLM(copy.deepcopy(base.model), base.processor, base.parts, base.name)
        return kind(copied, name, config.model_copy(update=changes))

    ways: dict[Key, Way] = {}
    for name in METHODS_TIMED:
        ways[name, "described"], ways[name, "ours"] = fresh(Described, name), fresh(Ours, name)
    ways |= {
        (label, "ours"): fresh(Ours, n, **changes) for label, (n, changes) in ABLATIONS.items()
    }
    seconds, prepared = timed(ways, once, benchmark, batches[: rounds + 2])
    rows = [
        row_of(what, seconds, prepared[what, way] / per_task)
        for what, way in seconds
        if way == "ours"
    ]
    for row in rows:
        if row["what"] in METHODS_TIMED and steps:
            row["equal"] = equal(fresh, row["what"], benchmark, once, batches[:steps])
    return rows


def timed(
    ways: dict[Key, Way],
    once: Sequence[Item],
    benchmark: Benchmark,
    batches: Sequence[Sequence[Item]],
    warm: int = 2,
) -> tuple[dict[Key, list[float]], dict[Key, float]]:
    """Seconds of each step of each way, one step of every way in turn, and of the preparation before them."""
    seconds: dict[Key, list[float]] = {key: [] for key in ways}
    ready, prepared = {}, {}
    for key, way in ways.items():
        start = time.perf_counter()
        ready[key] = way.prepare(once, benchmark)
        prepared[key] = time.perf_counter() - start
    for turn, batch in enumerate(batches):
        for key, way in ways.items():
            start = time.perf_counter()
            way.step(ready[key], batch)
            if turn >= warm:
                seconds[key].append(time.perf_counter() - start)
    return seconds, prepared


def row_of(what: str, seconds: dict[Key, list[float]], preparation: float) -> dict[str, Any]:
    """The ratio of medians; its range over rounds; and the same with the reference's share of a task's steps added."""
    times, name = seconds[what, "ours"], what.split(":", maxsplit=1)[0]
    against = seconds[BASELINE_OF.get(name, name), "described"]
    each = [a / b for a, b in zip(times, against, strict=True)]
    ratio = statistics.median(times) / statistics.median(against)
    row: dict[str, Any] = {
        "what": what,
        "against": f"{BASELINE_OF.get(name, name)} as described",
        "ratio": round(ratio, 3),
        "range": [round(min(each), 3), round(max(each), 3)],
        "with_reference": round(ratio + preparation / statistics.median(against), 3),
        "seconds": round(statistics.median(times), 4),
    }
    return row | (
        {"target": TARGETS[what], "met": ratio <= TARGETS[what]} if what in TARGETS else {}
    )


def equal(
    fresh: Any,
    name: str,
    benchmark: Benchmark,
    once: Sequence[Item],
    batches: Sequence[Sequence[Item]],
) -> float:
    """Largest relative difference of the losses, both ways trained from the same start."""
    losses = []
    for kind in (Described, Ours):
        way = fresh(kind, name)
        loss_of = way.prepare(once, benchmark)
        losses.append([way.step(loss_of, batch) for batch in batches])
    return max(abs(a - b) / max(abs(a), 1e-6) for a, b in zip(*losses, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument(
        "--rounds", type=int, default=20, help="timed steps of each, after two that are not"
    )
    parser.add_argument(
        "--steps", type=int, default=50, help="of the trainings that are compared for equal losses"
    )
    parser.add_argument("--quick", action="store_true", help="ten timed steps, five compared")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    rounds, steps = (10, 5) if args.quick else (args.rounds, args.steps)
    config = TrainConfig(lr=1e-4, batch=args.batch, lora=LoraConfig(r=32, alpha=32))
    with tempfile.TemporaryDirectory() as folder:
        world.write_world(0, Path(folder) / "world", entities=24, pictures=10)
        benchmark = release.read(Path(folder) / "world")
        base = make_base(SIZES[args.size], benchmark)
        parameters = sum(p.numel() for p in base.model.parameters())
        rows = measure(base, benchmark, config, rounds=rounds, steps=steps)
    facts = {
        "parameters": parameters,
        "batch": args.batch,
        "threads": torch.get_num_threads(),
        "rounds": rounds,
    }
    if args.json:
        print(json.dumps({**facts, "steps_compared": steps, "rows": rows}))
        return
    print(facts)
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
