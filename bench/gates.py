"""How good the local gates are: leaks, over-refusals, wrong experts and cost, on pictures drawn for the test alone.

`tasks`: after each of four tasks, also on entities that neither gate nor base has met. `evasion`: what slips past when
names or pictures are changed. `requests`: one world, 1 to 1,000 requests of one entity each. These need the tiny bases,
which are trained unless the cache has them; `--without-base` needs none. `--root` adds the official annotations.
`cost`: what one request more and one query take beside the encoder.
Only where they are named: `hard`, as `tasks` on a split by similarity; `scenes`, two things in one picture, or one small;
`real`, the real benchmark by its tower alone, for which `mlubench parts fetch` comes first;
`known`, harm at 1 to 1,000 requests of what a base knows that was taught them all (`gates_known.py`).

    python bench/gates.py --root DIR --json > gates.json
"""

import argparse
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import gates_cost
import gates_evasion
import gates_hard
import gates_known
import gates_real
import gates_requests
import gates_scenes
from gates_world import World, fitted, open_world, queries_about, strangers
from mlubench.lumoe.gates.metrics import report_of
from mlubench.models.quiet import quiet
from mlubench.settings.loading import load

GATES = ("hybrid", "metric", "prototype", "mention", "oracle")
# Of these, those that ask the base nothing where pictures are drawn.
WITHOUT_BASE = ("hybrid", "oracle")
PARTS = ("tasks", "evasion", "requests", "cost")
# Parts that make worlds of their own.
MORE_PARTS = ("hard", "scenes", "real", "known")
NEVER = 300  # entities that exist nowhere else
NEVER_PICTURES = 6  # of each


def by_tasks(world: World, with_self: bool) -> Iterator[dict[str, Any]]:
    """A row for each gate after each task.

    The gate `self` asks the base, which is slow: it comes after the last task only, on one picture an entity.
    """
    tasks = world.benchmark.tasks
    gates = GATES if world.mllm is not None else WITHOUT_BASE
    # Without a base, what many worlds give in the end is what is asked for.
    first = 1 if world.mllm is not None else len(tasks)
    for done in range(first, len(tasks) + 1):
        known = sorted({sample.entity for task in tasks[:done] for sample in task.samples})
        names = list(gates)
        if with_self and done == len(tasks):
            names.append("self")
        for name in names:
            pictures = 1 if name == "self" else world.pictures
            entities, queries = queries_about(world, known, pictures)
            unknown, more_queries = queries_about(
                world, strangers(world, NEVER), min(pictures, NEVER_PICTURES)
            )
            gate = fitted(world, name, tasks[:done])
            row = report_of(
                gate, tasks[:done], entities + unknown, queries + more_queries, world.features
            )
            yield {"world": world.name, "tasks": done, **row.as_json()}


def worlds(args: argparse.Namespace, folder: Path) -> Iterator[World]:
    pictures = 10 if args.quick else 40
    with_base = not args.without_base
    toy_worlds = min(1, args.seeds) if args.quick else args.seeds
    for seed in range(args.first_seed, args.first_seed + toy_worlds):
        world = [f"benchmark.seed={seed}", f"benchmark.order={drawn_order(seed)}"]
        config = load("toy", [*(world if args.shuffle else world[:1]), *args.settings])
        place = folder / f"toy-{seed}"
        yield open_world(f"toy, seed {seed}", config, place, pictures, with_base=with_base)
    official_worlds = args.official if args.root else 0
    for seed in range(args.first_seed, args.first_seed + official_worlds):
        world = [f"benchmark.root={args.root}", f"benchmark.seed={seed}"]
        if args.shuffle:
            world.append(f"benchmark.order={drawn_order(seed)}")
        name = f"official-rendered, seed {seed}"
        # The same pictures for every seed, as the entities are the same.
        place = folder / "official"
        config = load("official-rendered", [*world, *args.settings])
        yield open_world(name, config, place, pictures // 2, with_base=with_base)


def drawn_order(seed: int) -> str:
    """The four tasks in an order of the seed's own, as a setting."""
    order = list("ABCD")
    random.Random(seed).shuffle(order)
    return f"[{', '.join(order)}]"


def measure(args: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {part: [] for part in PARTS}
    with tempfile.TemporaryDirectory() as temporary:
        if "cost" in args.parts:
            sizes = (24, 100) if args.quick else (24, 100, 1000)
            found["cost"] += gates_cost.rows(Path(temporary), sizes)
        of_worlds = {"tasks", "evasion", "requests"} & set(args.parts)
        for number, world in enumerate(worlds(args, Path(temporary)) if of_worlds else ()):
            if "tasks" in args.parts:
                found["tasks"] += by_tasks(world, with_self=args.self and number == 0)
            if "evasion" in args.parts:
                names = ("hybrid", "prototype", "mention") if world.mllm else ("hybrid",)
                gates = {name: fitted(world, name, world.benchmark.tasks) for name in names}
                found["evasion"] += gates_evasion.rows(world, gates, args.kinds)
            if "requests" in args.parts and number == 0:
                sizes = (1, 10, 100) if args.quick else (1, 3, 10, 30, 100, 300, 1000)
                found["requests"] += gates_requests.rows(world, sizes)
        found |= measure_more(args, Path(temporary))
    return found


def measure_more(args: argparse.Namespace, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The parts that make worlds of their own, one after another for each seed."""
    found: dict[str, list[dict[str, Any]]] = {part: [] for part in MORE_PARTS if part in args.parts}
    pictures = 10 if args.quick else 20
    config = load("toy", args.settings).gates
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        if "hard" in found:
            world = gates_hard.hard_world(seed, folder / f"hard-{seed}", pictures, config)
            found["hard"] += by_tasks(world, with_self=False)
        if "scenes" in found:
            sets = {10: 1} if args.quick else gates_scenes.SETS
            world = gates_scenes.scenes_world(seed, folder / f"scenes-{seed}", config)
            found["scenes"] += gates_scenes.rows(world, sets)
        if "real" in found:
            found["real"] += gates_real.rows(seed, config, folder / f"real-{seed}")
        if "known" in found:
            sizes = (1, 10) if args.quick else args.known
            found["known"] += gates_known.rows(seed, config, sizes=sizes)
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
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--official", type=int, default=1, help="seeds of the official annotations")
    parser.add_argument(
        "--shuffle", action="store_true", help="the tasks in an order of each seed's own"
    )
    parser.add_argument(
        "--without-base",
        action="store_true",
        help="no base is made, so gates that need one are left out",
    )
    parser.add_argument(
        "-s",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="as gates.parts=true",
    )
    parser.add_argument("--parts", nargs="+", choices=(*PARTS, *MORE_PARTS), default=PARTS)
    parser.add_argument(
        "--kinds", nargs="+", default=(), help="of evasions, as leet; left out: all of them"
    )
    parser.add_argument(
        "--known",
        nargs="+",
        type=int,
        default=gates_known.SIZES,
        metavar="N",
        help="numbers of requests of the part `known`",
    )
    parser.add_argument("--self", action="store_true", help="the gate that asks the base, too")
    parser.add_argument(
        "--quick", action="store_true", help="one toy world, few pictures, at most 100 requests"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    found = measure(args)
    if args.json:
        print(json.dumps(found))
    else:
        show(found, Console(width=200))


if __name__ == "__main__":
    main()
