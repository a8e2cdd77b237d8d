"""How far can a store of experts be consolidated? Forget quality, utility and bytes for 4 to 64 experts merged into fewer.

One expert an entity on a tiny LLaVA, then N of them merged into K = N/2, N/4, ..., 1 by singular values at several ranks
and scales, by distilling one anew, and, to tell what that is worth, by keeping the first of each group and throwing the
rest away. Every query goes through the gate. `locality` is what the retained facts are worth with the merged expert
forced onto them, without the gate.

    python bench/experts.py --json
    python bench/experts.py --out docs/results/experts.md
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experts_tables import write_report
from mlubench.core.files import digest, is_whole
from mlubench.data import release, world
from mlubench.judging.rules.judge import RulesJudge
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.experts.compress import (
    compress,
    in_order,
    read_deltas,
    weighted_sum,
    write_adapter,
)
from mlubench.lumoe.experts.manifest import WEIGHTS
from mlubench.lumoe.gates.base import GateQuery
from mlubench.lumoe.gates.prototype import PrototypeGate
from mlubench.models.adapters import add_adapter, load_adapter, remove_adapters, save_adapter
from mlubench.models.features import FeatureCache
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.models.quiet import quiet
from mlubench.models.toy.base import toy_base
from mlubench.settings.gates import GateConfig
from mlubench.settings.model import ToyConfig
from mlubench.settings.training import LoraConfig, TrainConfig
from mlubench.statistics.scores import FULL
from mlubench.types import Benchmark, Question, Route, Sample, Task
from mlubench.unlearning.methods.po import PO
from mlubench.unlearning.trainer import unlearn

FACTS, RETAINED, TESTED = 2, 16, 2  # facts an entity, entities that stay, test samples a fact
RANK, BUDGETS = 4, (4, 16)
EPOCHS, DISTILLED_EPOCHS, DISTILLED_STEPS = 10, 3, 30  # at least so many epochs and steps
LARGEST = 16  # the most experts that every way is tried on
SCALES = ("mean", "root", "sum")
MAX_NEW_TOKENS = 24
Row = dict[str, Any]
TOY = ToyConfig(width=96, pictures=80, sight_epochs=8, steps=600)


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def make_world(folder: Path, experts: int, seed: int) -> Benchmark:
    """A task for each of `experts` entities; what stays belongs to the first. Entities have FACTS facts each."""
    if not is_whole(folder / "world"):
        world.write_world(
            seed, folder / "world", entities=4 * round(experts / 4 * 12 / 7) + 8, pictures=20
        )
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
    work: Path
    answered: dict[str, str] = field(default_factory=dict)  # by the base, by sample

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
            Question(
                "forget_quality" if s.split == "forget" else "utility",
                s.entity.key,
                s.question,
                s.truth,
                a,
            )
            for s, a in zip(samples, answers, strict=True)
        ]
        given = [v.score for v in self.judge.judge(asked) if v.score is not None]
        return round(sum(given) / FULL / len(given), 4)

    def ask(self, engine: LUMoE, samples: Sequence[Sample], routes: Sequence[Route]) -> list[str]:
        """Answers; the base is asked each question once in the whole study."""
        new = [
            n
            for n, (s, r) in enumerate(zip(samples, routes, strict=True))
            if r.experts or s.id not in self.answered
        ]
        found: dict[int, str] = {}
        for start in range(0, len(new), 64):
            rows = new[start : start + 64]
            texts = engine.generate(
                self.queries([samples[n] for n in rows]),
                [routes[n] for n in rows],
                max_new_tokens=MAX_NEW_TOKENS,
            )
            found |= dict(zip(rows, texts, strict=True))
        self.answered |= {samples[n].id: found[n] for n in new if not routes[n].experts}
        return [found[n] if n in found else self.answered[s.id] for n, s in enumerate(samples)]

    def measure(
        self,
        gate: PrototypeGate,
        tasks: Sequence[Task],
        adapters: dict[str, Path],
        of: dict[str, str],
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


def groups_of(tasks: Sequence[Task], k: int) -> tuple[list[list[str]], dict[str, str]]:
    """Neighbours, as even as can be, and the name of each task's group."""
    groups = in_order([t.name for t in tasks], k)
    return groups, {name: f"g{g}" for g, group in enumerate(groups) for name in group}


def summed(
    study: Study, gate: PrototypeGate, tasks: Sequence[Task], k: int, scale: str, rank: int
) -> Row:
    """K experts by singular values, measured."""
    groups, of = groups_of(tasks, k)
    adapters, errors = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for g, group in enumerate(groups):
            deltas = [read_deltas(study.folder / name) for name in group]
            small = compress(weighted_sum(deltas, [factor(scale, len(group))] * len(group)), rank)
            errors.append(small.relative_error)
            adapters[f"g{g}"] = Path(folder) / f"g{g}"
            write_adapter(small.deltas, study.folder / group[0], adapters[f"g{g}"])
        found = study.measure(gate, tasks, adapters, of)
    return {"error": round(sum(errors) / len(errors), 4), **found}


def kept(study: Study, gate: PrototypeGate, tasks: Sequence[Task], k: int) -> Row:
    """The first expert of each group for the whole group, measured."""
    groups, of = groups_of(tasks, k)
    return study.measure(
        gate, tasks, {f"g{g}": study.folder / group[0] for g, group in enumerate(groups)}, of
    )


def distilled(study: Study, gate: PrototypeGate, tasks: Sequence[Task], k: int, rank: int) -> Row:
    """K experts trained anew on the unions of what was to be forgotten, measured."""
    groups, of = groups_of(tasks, k)
    start, by_name, adapters = time.perf_counter(), {t.name: t for t in tasks}, {}
    for g, group in enumerate(groups):
        union = [by_name[name] for name in group]
        samples = len(fit([s for t in union for s in t.forget]))
        epochs = max(DISTILLED_EPOCHS, -(-DISTILLED_STEPS * 8 // samples))
        adapters[f"g{g}"] = study.train(
            f"d{len(tasks)}-{k}-{g}-{rank}", union, rank, epochs, seed=1000 + g
        )
    seconds = round(time.perf_counter() - start, 1)
    return {"seconds": seconds, **study.measure(gate, tasks, adapters, of)}


def wanted(n: int) -> Iterator[tuple[int, str, int]]:
    """(K, way, rank) for N experts. Many of them are measured with fewer ways, as each takes the longer."""
    ks = [n >> shift for shift in range(1, n.bit_length())]
    yield n, "none", RANK
    for k in ks if n <= LARGEST else (1, n // 4):
        for scale in SCALES if n <= LARGEST else ("root",):
            yield from ((k, f"svd, {scale}", rank) for rank in BUDGETS)
        yield k, "keep the first", RANK
        yield k, "distil", RANK


def one_row(
    study: Study, gate: PrototypeGate, tasks: Sequence[Task], k: int, way: str, rank: int
) -> Row:
    if way == "none":
        return study.measure(
            gate,
            tasks,
            {t.name: study.folder / t.name for t in tasks},
            {t.name: t.name for t in tasks},
        )
    if way == "distil":
        return distilled(study, gate, tasks, k, rank)
    if way == "keep the first":
        return kept(study, gate, tasks, k)
    return summed(study, gate, tasks, k, way.removeprefix("svd, "), rank)


def rows_of(study: Study, sizes: Sequence[int]) -> list[Row]:
    """Every row; those that an interrupted call has measured are kept in rows.jsonl."""
    path = study.folder / "rows.jsonl"
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    have = {(r["n"], r["k"], r["way"], r["rank"]): r for r in done}
    rows = []
    for n in sizes:
        tasks, gate = study.benchmark.tasks[:n], PrototypeGate()
        gate.fit(tasks, study.benchmark, study.features, GateConfig())
        for k, way, rank in wanted(n):
            if (n, k, way, rank) not in have:
                row = {
                    "n": n,
                    "k": k,
                    "way": way,
                    "rank": rank,
                    **one_row(study, gate, tasks, k, way, rank),
                }
                have[n, k, way, rank] = row
                with path.open("a") as handle:
                    handle.write(json.dumps(row) + "\n")
                tell(str(row))
            rows.append(have[n, k, way, rank])
    return rows


def run(folder: Path, sizes: Sequence[int], seed: int) -> dict[str, Any]:
    benchmark = make_world(folder, max(sizes), seed)
    mllm = MLLM.load(toy_base(TOY, benchmark, device="cpu"), device="cpu")
    judge = RulesJudge(sorted({(s.entity.cls, s.truth) for s in benchmark.samples}))
    study = Study(mllm, benchmark, folder, judge, FeatureCache(mllm), folder / "work")
    known = tested(benchmark.samples)
    answers = study.ask(LUMoE(mllm, PrototypeGate(), study.features), known, [BASE] * len(known))
    level = study.score([replace(s, split="retain") for s in known], answers)
    tell(f"the base knows {level}")
    for n, task in enumerate(benchmark):
        study.train(task.name, [task], RANK, EPOCHS, seed=n)
    forget = len(tested([s for t in benchmark for s in t.forget]))
    counts = {"forget": forget, "retain": len(tested(benchmark.tasks[0].retain))}
    return {
        "seed": seed,
        "base_knows": level,
        "rank": RANK,
        "tested": counts,
        "rows": rows_of(study, sizes),
    }


BASE = Route((), None, 0.0, "the base")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--experts", type=int, nargs="+", default=[4, 8, 16, 32, 64], help="N: powers of two"
    )
    parser.add_argument("--quick", action="store_true", help="4 and 8 experts only")
    parser.add_argument(
        "--work", type=Path, help="keep everything here, and go on from what is there"
    )
    parser.add_argument(
        "--out", type=Path, help="write the table here as Markdown, and a figure beside it"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    with tempfile.TemporaryDirectory() as folder:
        work = args.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        found = run(work, [4, 8] if args.quick else sorted(args.experts), args.seed)
    if args.out:
        write_report(found, args.out)
    print(json.dumps(found) if args.json else "\n".join(map(str, found["rows"])))


if __name__ == "__main__":
    main()
