"""Throughput of routed answers, side by side: the base alone, the way of the authors' release (a deep copy of the model for
each expert, one query at a time), PEFT's two ways, ours (stacked experts in a mixed batch), one adapter for all rows.

All ways answer the same queries by the same routes, drawn evenly over the base and N experts, in turn and in one process,
so that whatever else the machine does falls on all alike; on a CPU its time is that of the process. Ratios are of medians
over rounds, ranges of single rounds. Weights are random and answers have a fixed length.

    python bench/serving.py --json
    python bench/serving.py --size 7b --device cuda --experts 4 16 64
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import serving_ways as ways
from mlubench.data import release, world
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.models.quiet import quiet

Key = tuple[str, int]  # a way, and how many experts there are
Timed = dict[Key, list[float]]  # seconds a query, one a round


def drawn(count: int, rows: int) -> list[str | None]:
    """Routes drawn evenly over the base and so many experts."""
    rng = random.Random(count)
    return [None if n < 0 else f"e{n}" for n in (rng.randrange(-1, count) for _ in range(rows))]


def build(
    args: argparse.Namespace, base: MLLM, store: ExpertStore, queries: list[Query]
) -> dict[Key, Callable[[], Any]]:
    """Every way at every number of experts, ready to answer all queries (the authors' way the first few)."""
    new, most = args.new, max(args.experts)
    engine = ways.lumoe(ways.twin(base), store, most)
    one = ways.set_adapter(ways.peft_host(base, store, 1), queries, new)
    made: dict[Key, Callable[[], Any]] = {
        ("base", 0): lambda: base.generate(queries, max_new_tokens=new),
        ("one adapter", 1): lambda: one(["e0"] * len(queries)),
    }
    for count in args.experts:
        names = drawn(count, len(queries))
        made["ours", count] = _call(ways.ours(engine, queries, new), names)
        if count <= args.peft_most:
            host = ways.peft_host(base, store, count)
            made["set_adapter", count] = _call(ways.set_adapter(host, queries, new), names)
            made["adapter_names", count] = _call(ways.adapter_names(host, queries, new), names)
    if args.authors:
        first, names = queries[: args.authors], drawn(args.experts[0], len(queries))[: args.authors]
        made["authors", args.experts[0]] = _call(
            ways.authors(ways.twin(base), store, names, first, new), names
        )
    for distinct in (8, 32):
        if distinct <= min(most, len(queries)):
            names = [f"e{n % distinct}" for n in range(len(queries))]
            made[f"ours, {distinct} distinct", most] = _call(ways.ours(engine, queries, new), names)
    return made


def _call(way: ways.Way, names: ways.Names) -> Callable[[], list[str]]:
    return lambda: way(names)


def clock(device: str) -> float:
    """Seconds: on a CPU of the process, which other load disturbs less; else of the wall, once the card is done."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def timed(
    args: argparse.Namespace, made: dict[Key, Callable[[], Any]]
) -> tuple[Timed, dict[Key, list[str]]]:
    """Seconds a query in each round, after one that is not timed; and what each way says."""
    seconds: Timed = {key: [] for key in made}
    said: dict[Key, list[str]] = {}
    for turn in range(args.rounds + 1):
        for key, call in made.items():
            start = clock(args.device)
            said[key] = call()
            if turn:
                seconds[key].append((clock(args.device) - start) / len(said[key]))
    return seconds, said


def ratio(seconds: Timed, of: Key, to: Key) -> dict[str, Any]:
    """Throughput of one way relative to another: of the medians, and the range over rounds."""
    each = [b / a for a, b in zip(seconds[of], seconds[to], strict=True)]
    middle = statistics.median(seconds[to]) / statistics.median(seconds[of])
    return {"ratio": round(middle, 3), "range": [round(min(each), 3), round(max(each), 3)]}


def rows_of(seconds: Timed, said: dict[Key, list[str]]) -> list[dict[str, Any]]:
    rows = []
    for key in seconds:
        row = {"way": key[0], "experts": key[1], "queries": len(said[key])}
        row |= {"ms_per_query": round(1000 * statistics.median(seconds[key]), 3)}
        row |= {
            "of_base": ratio(seconds, key, ("base", 0)),
            "of_one_adapter": ratio(seconds, key, ("one adapter", 1)),
        }
        if key[0] in ("set_adapter", "adapter_names", "authors"):
            row["same_answers_as_ours"] = said[key] == said["ours", key[1]][: len(said[key])]
        rows.append(row)
    return rows


def verdicts(seconds: Timed, experts: list[int]) -> list[dict[str, Any]]:
    """The targets, each with what was seen."""
    few, many = ("ours", min(experts)), ("ours", max(experts))
    found = [
        (
            "ours to one adapter for all rows",
            n,
            ratio(seconds, ("ours", n), ("one adapter", 1)),
            0.95,
        )
        for n in experts
    ]
    found.append(
        (f"ours at {many[1]} to ours at {few[1]} experts", many[1], ratio(seconds, many, few), 0.9)
    )
    found += [
        ("ours to adapter_names", n, ratio(seconds, ("ours", n), ("adapter_names", n)), 2.0)
        for n in experts
        if n >= 16 and ("adapter_names", n) in seconds
    ]
    found += [
        ("ours to the authors' way", n, ratio(seconds, ("ours", n), key), 6.0)
        for key in seconds
        if key[0] == "authors"
        for n in [key[1]]
    ]
    return [
        {"what": what, "experts": n, **seen, "target": target, "met": seen["ratio"] >= target}
        for what, n, seen, target in found
    ]


def memory(args: argparse.Namespace, base: MLLM, store: ExpertStore) -> dict[str, Any]:
    """What experts take: tensors that are held, and the growth of the whole process (of the card's memory on a GPU)."""
    weights = store.root / "e0" / ways.WEIGHTS
    adapter = sum(t.numel() * t.element_size() for t in ways.load_file(weights).values())
    counts = sorted({*args.experts, 1})
    engine = ways.lumoe(ways.twin(base), store, 1)
    points, start = [], None
    for count in counts:
        for n in range(1, count):
            if f"e{n}" not in engine.experts:
                engine.experts.add(store, f"e{n}")
        whole = in_use(args.device)
        start = whole if start is None else start
        grown = None if count == 1 else round((whole - start) / (count - 1))
        points.append(
            {
                "experts": count,
                "bytes_per_expert": engine.experts.bytes // count,
                "process_per_expert": grown,
            }
        )
    size = sum(t.numel() * t.element_size() for t in base.base.state_dict().values())
    return {
        "base_bytes": size,
        "adapter_bytes": adapter,
        "points": points,
        "authors_bytes_per_expert": size + adapter,
    }


def in_use(device: str) -> int:
    """Bytes: of the card, or what of the process lies in memory and is no file's."""
    if device.startswith("cuda"):
        return torch.cuda.memory_allocated()
    status = Path("/proc/self/status").read_text()
    return 1024 * int(
        next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon"))
    )


def least_recently_used(
    args: argparse.Namespace, base: MLLM, store: ExpertStore, queries: list[Query]
) -> dict[str, Any]:
    """The same answers with few experts in memory, the others coming back from disk each time."""
    count, limit = max(n for n in args.experts if n <= 64), 2
    names = drawn(count, len(queries))
    every, few = (ways.lumoe(ways.twin(base), store, count, most) for most in (None, limit))
    seconds: Timed = {("all", count): [], ("few", count): []}
    same = True
    for _ in range(max(2, args.rounds // 2)):
        answers = []
        for (key, times), engine in zip(seconds.items(), (every, few), strict=True):
            start = clock(args.device)
            answers.append(ways.ours(engine, queries, args.new)(names))
            times.append((clock(args.device) - start) / len(queries))
            del key
        same &= answers[0] == answers[1]
    return {
        "experts": count,
        "limit": limit,
        "in_memory": len(few.experts.in_memory),
        "reads": few.experts.loads,
        "same_answers": same,
        "throughput": ratio(seconds, ("few", count), ("all", count)),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=ways.SIZES, default="tiny")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default=None, help="float32 on a CPU, bfloat16 elsewhere")
    parser.add_argument("--experts", type=int, nargs="+", default=[4, 16, 64, 256])
    parser.add_argument(
        "--peft-most", type=int, default=256, help="PEFT's ways are timed up to so many experts"
    )
    parser.add_argument(
        "--authors", type=int, default=8, help="queries of the authors' way; 0 leaves it out"
    )
    parser.add_argument("--queries", type=int, default=32)
    parser.add_argument("--new", type=int, default=32, help="tokens of each answer")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=9, help="timed rounds, after one that is not")
    parser.add_argument(
        "--quick", action="store_true", help="three rounds, PEFT's ways up to 64 experts"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.experts = sorted(args.experts)
    args.dtype = args.dtype or ("float32" if args.device == "cpu" else "bfloat16")
    if args.quick:
        args.rounds, args.peft_most = min(args.rounds, 3), min(args.peft_most, 64)
    return args


def main() -> None:
    args = arguments()
    quiet()
    with tempfile.TemporaryDirectory() as folder:
        world.write_world(0, Path(folder) / "world", entities=24, pictures=10)
        benchmark = release.read(Path(folder) / "world")
        base = ways.make_base(args.size, benchmark, args.device, args.dtype)
        store = ways.write_experts(ways.twin(base), Path(folder), max(args.experts), args.rank)
        samples = benchmark.samples[:: max(1, len(benchmark.samples) // args.queries)][
            : args.queries
        ]
        queries = [Query(benchmark.picture(s), s.question) for s in samples]
        facts: dict[str, Any] = {
            **vars(args),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        facts["memory"] = memory(args, base, store)
        made = build(args, base, store, queries)
        seconds, said = timed(args, made)
        facts |= {"rows": rows_of(seconds, said), "targets": verdicts(seconds, args.experts)}
        facts["lru"] = least_recently_used(args, base, store, queries)
    if args.json:
        print(json.dumps(facts))
        return
    for key in ("rows", "targets"):
        for row in facts.pop(key):
            print(row)
    print(facts)


if __name__ == "__main__":
    main()
