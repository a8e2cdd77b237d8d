"""How far can a store of experts be consolidated? Forget quality, utility and bytes for 4 to 64 experts merged into fewer.

One expert an entity on a tiny LLaVA, then N of them merged into K = N/2, N/4, ..., 1 by singular values at several ranks
and scales, by distilling one anew, and, to tell what that is worth, by keeping the first of each group and throwing the
rest away. Every query goes through the gate. `locality` is what the retained facts are worth with the merged expert
forced onto them, without the gate.

    python benchmarks/experts.py --json
    python benchmarks/experts.py --out docs/results/experts.md
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experts_tables import write_report
from mlubench.artifacts import digest
from mlubench.benchmark import release, world
from mlubench.config import GateConfig, LoraConfig, ToyConfig, TrainConfig
from mlubench.judging.rules import RulesJudge
from mlubench.lumoe.consolidate import compress, in_order, read_deltas, weighted_sum, write_adapter
from mlubench.lumoe.engine import FeatureCache, LUMoE
from mlubench.lumoe.gates.base import GateQuery
from mlubench.lumoe.gates.prototype import PrototypeGate
from mlubench.lumoe.manifest import WEIGHTS
from mlubench.models.adapters import add_adapter, load_adapter, remove_adapters, save_adapter
from mlubench.models.hf import MLLM, Query
from mlubench.models.quiet import quiet
from mlubench.models.toy import toy_base
from mlubench.scores import FULL
from mlubench.types import Benchmark, Question, Route, Sample, Task
from mlubench.unlearning.methods.po import PO
from mlubench.unlearning.trainer import unlearn

FACTS, RETAINED, TESTED = 2, 16, 2  # facts an entity, entities that stay, test samples a fact
RANK, BUDGETS = 4, (4, 16)
EPOCHS, DISTILLED_EPOCHS = 10, 3  # a union has more facts that teach the same refusing
SCALES = ("mean", "root", "sum")
MAX_NEW_TOKENS = 24
TOY = ToyConfig(width=96, pictures=80, sight_epochs=8, steps=600)


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def make_world(folder: Path, experts: int, seed: int) -> Benchmark:
    """A task for each of `experts` entities; what stays belongs to the first. Entities have FACTS facts each."""
    world.write_world(seed, folder / "world", entities=4 * round(experts / 4 * 12 / 7) + 8, pictures=20)
    whole = release.read(folder / "world", seed=seed)
    facts: dict[str, set[str]] = {}
    for s in sorted(whole.samples, key=lambda s: s.id):
        known = facts.setdefault(s.entity.key, set())
        known |= {s.fact} if len(known) < FACTS else set()
    kept = [s for s in whole.samples if s.fact in facts[s.entity.key]]
    gone = sorted({s.entity for s in kept if s.split == "forget"})[:experts]
    stays = sorted({s.entity for s in kept if s.split == "retain"})
    stays = stays[:: max(1, len(stays) // RETAINED)][:RETAINED]
    retain = tuple(s for s in kept if s.entity in stays)
    tasks = []
    for n, entity in enumerate(gone):
        name = f"e{n:02d}"
        forget = tuple(replace(s, task=name) for s in kept if s.entity == entity)
        tasks.append(Task(name, forget, retain if n == 0 else ()))
    return replace(whole, tasks=tuple(tasks), digest=digest([whole.digest, experts, FACTS]))


def fit(samples: Sequence[Sample]) -> list[Sample]:
    return [s for s in samples if s.role == "fit" and s.phrasing == 0]


def tested(samples: Sequence[Sample]) -> list[Sample]:
    """At most TESTED test samples of each fact, of different phrasings where there are."""
    chosen: dict[str, list[Sample]] = {}
    for s in sorted((s for s in samples if s.role == "test"), key=lambda s: (s.phrasing, s.id)):
        mine = chosen.setdefault(s.fact, [])
        if len(mine) < TESTED and s.phrasing not in {m.phrasing for m in mine}:
            mine.append(s)
    return [s for mine in chosen.values() for s in mine]


@dataclass(eq=False)
class Study:
    """The base, its benchmark, where the experts lie, and what has been asked already."""

    mllm: MLLM
    benchmark: Benchmark
    folder: Path
    judge: RulesJudge
    features: FeatureCache
    answered: dict[str, str] = field(default_factory=dict)  # by the base, by sample
    work: Path = Path()

    def train(self, name: str, tasks: Sequence[Task], rank: int, epochs: int, seed: int) -> Path:
        """A fresh expert that refuses these tasks' forget sets."""
        out = self.folder / name
        if not out.is_dir():
            remove_adapters(self.mllm)
            add_adapter(self.mllm, name, LoraConfig(r=rank, alpha=rank), "language", seed=seed)
            config = TrainConfig(lr=1e-2, epochs=epochs, batch=4 if len(tasks) == 1 else 8)
            forget = fit([s for t in tasks for s in t.forget])
            unlearn(self.mllm, PO(), forget, [], self.benchmark, config, seed=seed, work=self.work)
            out.mkdir()
            save_adapter(self.mllm, name, out)
            remove_adapters(self.mllm)
        return out

    def queries(self, samples: Sequence[Sample]) -> list[Query]:
        return [Query(self.benchmark.picture(s), s.question) for s in samples]

    def score(self, samples: Sequence[Sample], answers: Sequence[str]) -> float:
        asked = [
            Question("forget_quality" if s.split == "forget" else "utility", s.entity.key, s.question, s.truth, a)
            for s, a in zip(samples, answers, strict=True)
        ]
        given = [v.score for v in self.judge.judge(asked) if v.score is not None]
        return round(sum(given) / FULL / len(given), 4)

    def ask(self, engine: LUMoE, samples: Sequence[Sample], routes: Sequence[Route]) -> list[str]:
        """Answers; the base is asked each question once in the whole study."""
        new = [
            n for n, (s, r) in enumerate(zip(samples, routes, strict=True)) if r.experts or s.id not in self.answered
        ]
        found: dict[int, str] = {}
        for start in range(0, len(new), 64):
            rows = new[start : start + 64]
            texts = engine.generate(
                self.queries([samples[n] for n in rows]), [routes[n] for n in rows], max_new_tokens=MAX_NEW_TOKENS
            )
            found |= dict(zip(rows, texts, strict=True))
        self.answered |= {samples[n].id: found[n] for n in new if not routes[n].experts}
        return [found[n] if n in found else self.answered[s.id] for n, s in enumerate(samples)]

    def measure(
        self, gate: PrototypeGate, tasks: Sequence[Task], adapters: dict[str, Path], of: dict[str, str]
    ) -> dict:
        """Forget quality and utility through the gate, and locality: `of` names the adapter that stands for a task."""
        remove_adapters(self.mllm)
        for name, folder in adapters.items():
            load_adapter(self.mllm, name, folder)
        engine = LUMoE(self.mllm, gate, self.features)
        scores = {}
        parts = {"forget_quality": [s for t in tasks for s in t.forget], "utility": tasks[0].retain}
        for metric, part in parts.items():
            samples = sorted(tested(part), key=lambda s: (of.get(s.task, ""), s.id))
            routes = engine.routes([GateQuery(q.image, q.question) for q in self.queries(samples)])
            merged = [replace(r, experts=tuple(of[e] for e in r.experts)) for r in routes]
            scores[metric] = self.score(samples, self.ask(engine, samples, merged))
        forced = [Route((next(iter(adapters)),), None, 0.0, "forced")] * len(samples)
        scores["locality"] = self.score(samples, self.ask(engine, samples, forced))
        size = sum((folder / WEIGHTS).stat().st_size for folder in adapters.values())
        return {**scores, "bytes": size}


def factor(scale: str, count: int) -> float:
    return {"mean": 1 / count, "root": count**-0.5, "sum": 1.0}[scale]


def merged_rows(study: Study, gate: PrototypeGate, tasks: Sequence[Task], k: int) -> list[dict[str, Any]]:
    """Every way of making K experts of those of these tasks, each measured."""
    groups = in_order([t.name for t in tasks], k)
    of = {name: f"g{g}" for g, group in enumerate(groups) for name in group}
    head = {"n": len(tasks), "k": k}
    rows = []
    for scale in SCALES:
        sums = []
        for group in groups:
            deltas = [read_deltas(study.folder / name) for name in group]
            sums.append(weighted_sum(deltas, [factor(scale, len(group))] * len(group)))
        for rank in BUDGETS:
            adapters, errors = {}, []
            with tempfile.TemporaryDirectory() as folder:
                for g, total in enumerate(sums):
                    small = compress(total, rank)
                    errors.append(small.relative_error)
                    adapters[f"g{g}"] = Path(folder) / f"g{g}"
                    write_adapter(small.deltas, study.folder / groups[g][0], adapters[f"g{g}"])
                found = study.measure(gate, tasks, adapters, of)
            rows.append(
                {**head, "way": f"svd, {scale}", "rank": rank, "error": round(sum(errors) / len(errors), 4), **found}
            )
    kept = {f"g{g}": study.folder / group[0] for g, group in enumerate(groups)}
    rows.append({**head, "way": "keep the first", "rank": RANK, **study.measure(gate, tasks, kept, of)})
    by_name = {t.name: t for t in tasks}
    for rank in (RANK, BUDGETS[-1]) if k == 1 else (RANK,):
        start = time.perf_counter()
        adapters = {
            f"g{g}": study.train(
                f"d{len(tasks)}-{k}-{g}-{rank}", [by_name[n] for n in group], rank, DISTILLED_EPOCHS, seed=1000 + g
            )
            for g, group in enumerate(groups)
        }
        seconds = round(time.perf_counter() - start, 1)
        found = study.measure(gate, tasks, adapters, of)
        rows.append({**head, "way": "distil", "rank": rank, "seconds": seconds, **found})
    return rows


def run(folder: Path, sizes: Sequence[int], seed: int) -> dict[str, Any]:
    benchmark = make_world(folder, max(sizes), seed)
    start = time.perf_counter()
    base = toy_base(TOY, benchmark, device="cpu", progress=False)
    tell(f"base: {time.perf_counter() - start:.0f} s")
    mllm = MLLM.load(base, device="cpu")
    judge = RulesJudge(sorted({(s.entity.cls, s.truth) for s in benchmark.samples}))
    study = Study(mllm, benchmark, folder, judge, FeatureCache(mllm), work=folder / "work")
    known = [s for s in tested(benchmark.samples)]
    asked = [replace(s, split="retain") for s in known]
    level = study.score(asked, study.ask(LUMoE(mllm, PrototypeGate(), study.features), known, [BASE] * len(known)))
    tell(f"the base knows {level}")
    start = time.perf_counter()
    for n, task in enumerate(benchmark):
        study.train(task.name, [task], RANK, EPOCHS, seed=n)
    trained = time.perf_counter() - start
    tell(f"{len(benchmark.tasks)} experts: {trained:.0f} s")
    rows = []
    for n in sizes:
        tasks = benchmark.tasks[:n]
        gate = PrototypeGate()
        gate.fit(tasks, benchmark, study.features, GateConfig())
        alone = {t.name: study.folder / t.name for t in tasks}
        found = study.measure(gate, tasks, alone, {t.name: t.name for t in tasks})
        rows.append({"n": n, "k": n, "way": "none", "rank": RANK, **found})
        k = n // 2
        while k:
            rows += merged_rows(study, gate, tasks, k)
            for row in rows:
                if (row["n"], row["k"]) == (n, k):
                    tell(str(row))
            tell(f"{n} -> {k}: {time.perf_counter() - start:.0f} s since the first expert")
            k //= 2
    return {
        "seed": seed, "base_knows": level, "expert_rank": RANK, "train_seconds": round(trained, 1),
        "tested": {"forget": len(tested([s for t in benchmark for s in t.forget])), "retain": len(tested(benchmark.tasks[0].retain))},
        "rows": rows,
    }  # fmt: skip


BASE = Route((), None, 0.0, "the base")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--experts", type=int, nargs="+", default=[4, 8, 16, 32, 64], help="N: powers of two")
    parser.add_argument("--quick", action="store_true", help="4 and 8 experts only")
    parser.add_argument("--out", type=Path, help="write the table here as Markdown, and a figure beside it")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), [4, 8] if args.quick else sorted(args.experts), args.seed)
    if args.out:
        write_report(found, args.out)
    print(json.dumps(found) if args.json else "\n".join(map(str, found["rows"])))


if __name__ == "__main__":
    main()
