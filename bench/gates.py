"""How good the local gates are: leaks, over-refusals, wrong experts and cost, on pictures drawn for the test alone.

Three parts: `tasks` (after each of four tasks, also on entities that neither gate nor base has met), `evasion` (what slips
past when names or pictures are changed) and `requests` (one world, 1 to 1,000 requests of one entity each). Needs the tiny
bases, which it trains unless the cache has them. `--root` adds the official annotations with drawn pictures.

    python bench/gates.py --root DIR --json > gates.json
    python bench/gates.py --draw gates.json docs/pictures/gates.png
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import gates_evasion
import gates_figure
import gates_requests
from mlubench.data.render import render_release
from mlubench.experiment.prepare import open_base, open_benchmark
from mlubench.lumoe.engine.ask_base import base_asker
from mlubench.lumoe.gates.base import Gate, GateQuery, Tools, make_gate
from mlubench.lumoe.gates.metrics import report_of
from mlubench.models.features import FeatureCache
from mlubench.models.mllm import MLLM
from mlubench.models.quiet import quiet
from mlubench.settings.loading import load
from mlubench.settings.run import Config
from mlubench.types import Benchmark, Entity, Task

GATES = ("hybrid", "prototype", "mention", "oracle")
PARTS = ("tasks", "evasion", "requests")
NEVER = 100  # entities that exist nowhere else


@dataclass(frozen=True, slots=True)
class World:
    """One benchmark with its base, and pictures drawn for this program: new to the base, the fit and the calibration."""

    name: str
    benchmark: Benchmark
    mllm: MLLM
    features: FeatureCache
    folder: Path
    pictures: int

    def drawn(self, entity: Entity, count: int) -> list[Path]:
        paths = [f"{entity.key}/gate_{n:04d}.jpg" for n in range(count)]
        if not (self.folder / paths[-1]).is_file():
            render_release([f"pictures/{path}" for path in paths], self.folder.parent)
        return [self.folder / path for path in paths]


def open_world(name: str, config: Config, folder: Path, pictures: int) -> World:
    benchmark = open_benchmark(config)
    mllm = open_base(config, benchmark)
    mllm.keep_pictures = 0  # each is seen once
    return World(name, benchmark, mllm, FeatureCache(mllm), folder / "pictures", pictures)


def fitted(world: World, name: str, tasks: Sequence[Task]) -> Gate:
    gate = make_gate(name, Tools(ask_base=base_asker(world.mllm)))
    gate.fit(tasks, world.benchmark, world.features, Config().gates)
    return gate


def questions(world: World) -> dict[str, list[str]]:
    """The questions of each entity in phrasings that unlearning does not train on; of a stranger, those of its class."""
    found: dict[str, dict[str, None]] = {}
    for s in world.benchmark.samples:
        if s.phrasing > 0:
            found.setdefault(s.entity.key, {})[s.question] = None
            found.setdefault(s.entity.cls, {})[s.question] = None
    return {key: list(asked) for key, asked in found.items()}


def asked(
    world: World, entities: Sequence[Entity], pictures: int
) -> tuple[list[Entity], list[GateQuery]]:
    ask, truth, queries = questions(world), [], []
    for entity in entities:
        mine = ask.get(entity.key) or ask[entity.cls]
        for n, path in enumerate(world.drawn(entity, pictures)):
            truth.append(entity)
            queries.append(GateQuery(path, mine[n % len(mine)], entity))
    return truth, queries


def strangers(world: World) -> list[Entity]:
    classes = sorted({s.entity.cls for s in world.benchmark.samples})
    return [Entity(classes[n % len(classes)], f"Nobody_{n}") for n in range(NEVER)]


def by_tasks(world: World, with_self: bool) -> Iterator[dict[str, Any]]:
    """A row for each gate after each task; the base asked about its own secrets once, on one picture an entity."""
    tasks = world.benchmark.tasks
    for done in range(1, len(tasks) + 1):
        known = sorted({s.entity for t in tasks[:done] for s in t.samples})
        for name in (*GATES, *(["self"] if with_self and done == len(tasks) else [])):
            few = 1 if name == "self" else world.pictures
            truth, queries = asked(world, known, few)
            more = asked(world, strangers(world), min(few, 10))
            gate = fitted(world, name, tasks[:done])
            row = report_of(gate, tasks[:done], truth + more[0], queries + more[1], world.features)
            yield {"world": world.name, "tasks": done, **row}


def worlds(args: argparse.Namespace, folder: Path) -> Iterator[World]:
    pictures = 10 if args.quick else 40
    for seed in range(1 if args.quick else args.seeds):
        config = load("toy", [f"benchmark.seed={seed}"])
        yield open_world(f"toy, seed {seed}", config, folder / f"toy-{seed}", pictures)
    if args.root:
        config = load("official-rendered", [f"benchmark.root={args.root}"])
        yield open_world("official-rendered", config, folder / "official", pictures // 2)


def measure(args: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {"tasks": [], "evasion": [], "requests": []}
    with tempfile.TemporaryDirectory() as temporary:
        for number, world in enumerate(worlds(args, Path(temporary))):
            if "tasks" in args.parts:
                found["tasks"] += by_tasks(world, with_self=args.self and number == 0)
            if "evasion" in args.parts:
                gates = {
                    name: fitted(world, name, world.benchmark.tasks)
                    for name in ("hybrid", "prototype", "mention")
                }
                found["evasion"] += gates_evasion.rows(world, gates)
            if "requests" in args.parts and number == 0:
                sizes = (1, 10, 100) if args.quick else (1, 3, 10, 30, 100, 300, 1000)
                found["requests"] += gates_requests.rows(world, sizes)
    return found


def show(found: dict[str, list[dict[str, Any]]], console: Console) -> None:
    for part, rows in found.items():
        keys = list(
            dict.fromkeys(k for row in rows for k in row if not k.endswith(("_n", "_ci95")))
        )
        table = Table(*keys, title=part)
        for row in rows:
            table.add_row(
                *(f"{v:.4g}" if isinstance(v := row.get(k), float) else str(v) for k in keys)
            )
        console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, help="the official annotations")
    parser.add_argument("--seeds", type=int, default=3, help="toy worlds")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--self", action="store_true", help="the gate that asks the base, too")
    parser.add_argument(
        "--quick", action="store_true", help="one toy world, few pictures, at most 100 requests"
    )
    parser.add_argument(
        "--draw",
        nargs=2,
        type=Path,
        metavar=("JSON", "PNG"),
        help="draw the curves of a measurement",
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.draw:
        gates_figure.draw(json.loads(args.draw[0].read_text()), args.draw[1])
        return
    quiet()
    found = measure(args)
    if args.json:
        print(json.dumps(found))
    else:
        show(found, Console(width=200))


if __name__ == "__main__":
    main()
