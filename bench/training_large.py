"""What a training step costs at the size of LLaVA-7B on a GPU: seconds, peak memory, share of the card's arithmetic.

Weights are random: speed does not ask what a model knows. Ways run one after another, since all at once would not fit.
`described` is the way of the methods' authors, as in `training.py`: a second model as reference, one pass for each answer.

    python bench/training_large.py --json
    python bench/training_large.py --size tiny --device cpu     # tries the program itself

Model FLOPs of a pass are 2 x language parameters x tokens (padding included), and as much again for going back through
frozen weights. What gradient checkpointing computes twice is not counted, so it lowers the share.
"""

import argparse
import contextlib
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

import serving_ways
from mlubench.data import release, world
from mlubench.models.memory import PeakMemory
from mlubench.models.mllm import MLLM
from mlubench.models.quiet import quiet
from mlubench.settings.training import LoraConfig, TrainConfig
from mlubench.types import Benchmark
from mlubench.unlearning.schedule import Item, schedule
from training import Described, Ours, Way, batches_of

# Dense bfloat16 of an H100 SXM, as published.
PEAK_FLOPS = 989e12
METHODS_TIMED = ("ga", "po", "npo", "kl", "dpo")
WARM_STEPS = 2


class TokenCount:
    """Tokens that passed through a language model, with gradients and without."""

    def __init__(self) -> None:
        self.with_gradients = 0
        self.without = 0

    def __call__(self, module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        states = kwargs["inputs_embeds"]
        tokens = states.shape[0] * states.shape[1]
        if torch.is_grad_enabled():
            self.with_gradients += tokens
        else:
            self.without += tokens


@contextlib.contextmanager
def counted(mllm: MLLM) -> Iterator[TokenCount]:
    """Counts the tokens that pass through the language model within."""
    count = TokenCount()
    language = mllm.base.model.language_model
    hook = language.register_forward_pre_hook(count, with_kwargs=True)
    try:
        yield count
    finally:
        hook.remove()


def synchronised(device: str) -> float:
    """Seconds, once the device has done all that it was given."""
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def time_way(
    way: Way, items: Sequence[Item], benchmark: Benchmark, batches: Sequence[Any], device: str
) -> dict[str, Any]:
    """Median seconds a step, tokens and peak bytes of one way, and the seconds of what is done once before."""
    with PeakMemory(torch.device(device)) as peak:
        start = synchronised(device)
        loss_of = way.prepare(items, benchmark)
        prepared = synchronised(device) - start
        seconds = []
        with counted(way.mllm) as count:
            for batch in batches:
                start = synchronised(device)
                way.step(loss_of, batch)
                seconds.append(synchronised(device) - start)
    parameters = sum(p.numel() for p in way.mllm.base.model.language_model.parameters())
    passes = 2 * count.with_gradients + count.without
    flops = 2 * parameters * passes / len(batches)
    middle = statistics.median(seconds[WARM_STEPS:])
    return {
        "seconds": round(middle, 4),
        "range": [round(min(seconds[WARM_STEPS:]), 4), round(max(seconds[WARM_STEPS:]), 4)],
        "samples_per_second": round(len(batches[0]) / middle, 3),
        "tokens_with_gradients": round(count.with_gradients / len(batches)),
        "tflop_a_step": round(flops / 1e12, 2),
        "share_of_peak": round(flops / middle / PEAK_FLOPS, 4),
        "peak_gib": round(peak.bytes / 2**30, 2),
        "prepared_seconds": round(prepared, 3),
    }


def measure(
    base: MLLM, benchmark: Benchmark, config: TrainConfig, args: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """One row for each method and way, and for our PO with gradient checkpointing."""
    task = benchmark.tasks[0]
    fit = [
        [s for s in split if s.role == "fit" and s.phrasing == 0]
        for split in (task.forget, task.retain)
    ]
    items = schedule(*fit, epochs=1, seed=0)
    needed = args.batch * (args.rounds + WARM_STEPS)
    items = (items * -(-needed // len(items)))[:needed]
    batches = batches_of(items, args.batch)
    for name in args.methods:
        for kind in (Ours, Described):
            yield _row(kind, name, base, config, items, benchmark, batches, args.device)
    checkpointed = config.model_copy(update={"gradient_checkpointing": True})
    yield _row(Ours, "po", base, checkpointed, items, benchmark, batches, args.device)


def _row(
    kind: type[Way],
    name: str,
    base: MLLM,
    config: TrainConfig,
    items: Sequence[Item],
    benchmark: Benchmark,
    batches: Sequence[Any],
    device: str,
) -> dict[str, Any]:
    row: dict[str, Any] = {"method": name, "way": kind.__name__.lower()}
    row["checkpointing"] = config.gradient_checkpointing
    way = kind(serving_ways.twin(base), name, config)
    if config.gradient_checkpointing:
        way.mllm.base.gradient_checkpointing_enable(
            gradient_checkpointing_kwargs={"use_reentrant": False}
        )
    try:
        row |= time_way(way, items, benchmark, batches, device)
    except torch.OutOfMemoryError:
        row["out_of_memory"] = True
    del way
    gc.collect()
    if device != "cpu":
        torch.cuda.empty_cache()
    return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=serving_ways.SIZES, default="7b")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--methods", nargs="+", default=METHODS_TIMED)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=6, help="timed steps, after two that are not")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    dtype = "float32" if args.device == "cpu" else "bfloat16"
    config = TrainConfig(lr=1e-4, batch=args.batch, lora=LoraConfig(r=32, alpha=32))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        world.write_world(0, Path(folder) / "world", entities=24, pictures=10)
        benchmark = release.read(Path(folder) / "world")
        base = serving_ways.make_base(args.size, benchmark, args.device, dtype)
        parameters = sum(p.numel() for p in base.model.parameters())
        for row in measure(base, benchmark, config, args):
            rows.append(row)
            if not args.json:
                print(row, flush=True)
    card = torch.cuda.get_device_name() if args.device != "cpu" else "cpu"
    facts = {"parameters": parameters, "device": card, "torch": torch.__version__, **vars(args)}
    print(json.dumps({**facts, "rows": rows}) if args.json else facts)


if __name__ == "__main__":
    main()
