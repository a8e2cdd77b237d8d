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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import gates_evasion
import gates_figure
import gates_requests
from gates_world import World, fitted, open_world, queries_about, strangers
from mlubench.lumoe.gates.metrics import report_of
from mlubench.models.quiet import quiet
from mlubench.settings.loading import load

GATES = ("hybrid", "prototype", "mention", "oracle")
PARTS = ("tasks", "evasion", "requests")
NEVER = 100  # entities that exist nowhere else


def by_tasks(world: World, with_self: bool) -> Iterator[dict[str, Any]]:
    """A row for each gate after each task.

    The gate `self` asks the base, which is slow: it comes after the last task only, on one picture an entity.
    """
    tasks = world.benchmark.tasks
    for done in range(1, len(tasks) + 1):
        known = sorted({sample.entity for task in tasks[:done] for sample in task.samples})
        names = list(GATES)
        if with_self and done == len(tasks):
            names.append("self")
        for name in names:
            pictures = 1 if name == "self" else world.pictures
            entities, queries = queries_about(world, known, pictures)
            unknown, more_queries = queries_about(world, strangers(world, NEVER), min(pictures, 10))
            gate = fitted(world, name, tasks[:done])
            row = report_of(
                gate, tasks[:done], entities + unknown, queries + more_queries, world.features
            )
            yield {"world": world.name, "tasks": done, **row.as_json()}


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
        # Rows of one part may differ in their keys; counts and intervals are for --json.
        keys: dict[str, None] = {}
        for row in rows:
            keys.update(dict.fromkeys(key for key in row if not key.endswith(("_n", "_ci95"))))
        table = Table(*keys, title=part)
        for row in rows:
            table.add_row(*(shown(row.get(key)) for key in keys))
        console.print(table)


def shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


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
