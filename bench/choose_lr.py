"""Chooses each method's learning rate on the tiny model by one rule, the same grid for all, and writes the figures.

The rule: unlearn task A alone at every rate of the grid. Among the rates at which the method has unlearned (correctness on
the forget samples below 0.5; the base scores near 1), take the one with the highest forget quality + utility. If there is
none, take the rate with the lowest correctness on the forget samples. Ties go to the lower rate.

    python bench/choose_lr.py --out docs/hyperparameters.md
"""

import argparse
import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from mlubench.experiment.sequence import run_lifelong
from mlubench.judging.run import make_judge
from mlubench.models.quiet import quiet
from mlubench.runs.folder import RunDir
from mlubench.runs.rows import read_answers
from mlubench.settings.loading import load
from mlubench.statistics.scores import FULL

GRID = (3e-4, 5e-4, 7e-4, 1e-3, 3e-3, 1e-2)
UNLEARNED = 0.5


def still_known(run: RunDir, method: str) -> float:
    """Mean correctness (0-1) on task A's forget samples after unlearning it."""
    rows = [row for row in read_answers(run.answers(method, "A", "A")) if row.split == "forget"]
    judge = make_judge("rules", [(row.cls, row.truth) for row in rows])
    verdicts = judge.judge([replace(row.to_judge(), metric="utility") for row in rows])
    return sum(v.score or 0 for v in verdicts) / FULL / len(verdicts)


def try_rate(
    preset: str, method: str, rate: float, settings: list[str], folder: Path
) -> dict[str, Any]:
    out = folder / f"{method}-{rate:g}"
    overrides = [
        "benchmark.order=[A]",
        f"methods=[{method}]",
        f"train.lr={rate}",
        "train.per_method={}",
        *settings,
    ]
    results = run_lifelong(load(preset, overrides), out, Console(quiet=True))
    scores = {cell.metric: cell.score for cell in results.cells}
    return {
        "method": method,
        "lr": rate,
        **scores,
        "forget_correctness": round(still_known(RunDir(out), method), 4),
    }


def choose(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The row that the rule takes."""
    unlearned = [r for r in rows if r["forget_correctness"] < UNLEARNED]
    if not unlearned:
        return min(rows, key=lambda r: (r["forget_correctness"], r["lr"]))
    return max(unlearned, key=lambda r: (r["forget_quality"] + r["utility"], -r["lr"]))


def as_markdown(
    preset: str, rows: list[dict[str, Any]], chosen: dict[str, float], command: str
) -> str:
    lines = ["# Learning rates of the tiny model", "", *(__doc__ or "").split("\n\n")[1].splitlines(), "",
             f"Preset `{preset}`, task A alone, judge `rules`; made by `{command}`.", "",
             "| method | lr | correctness on forget (lower: unlearned) | forget quality | utility | chosen |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for r in rows:
        mark = "**yes**" if chosen[r["method"]] == r["lr"] else ""
        lines.append(f"| {r['method']} | {r['lr']:g} | {r['forget_correctness']:.3f} | {r['forget_quality']:.3f} | "
                     f"{r['utility']:.3f} | {mark} |")  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="toy")
    parser.add_argument(
        "--methods", nargs="+", default=["ga", "gd", "kl", "npo", "po", "dpo", "lumoe"]
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="not the seed of the published run, so that it is not tuned to it",
    )
    parser.add_argument(
        "-s",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="as `mlubench run -s`",
    )
    parser.add_argument(
        "--grid",
        type=float,
        nargs="+",
        default=list(GRID),
        help="the learning rates, for every method",
    )
    parser.add_argument("--quick", action="store_true", help="three rates and three methods")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("runs/choose-lr"),
        help="its runs; kept, so that it resumes",
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="write the table to this Markdown file")
    args = parser.parse_args()
    quiet()
    grid = args.grid[1:4] if args.quick else args.grid
    methods = args.methods[:3] if args.quick else args.methods
    rows = []
    for method in methods:
        for rate in grid:
            settings = [f"seed={args.seed}", *args.settings]
            rows.append(try_rate(args.preset, method, rate, settings, args.work / args.preset))
            Console(stderr=True, width=200).print(rows[-1])
    chosen = {}
    for method in methods:
        of_method = [row for row in rows if row["method"] == method]
        chosen[method] = choose(of_method)["lr"]
    if args.out:
        command = f"python bench/choose_lr.py {shlex.join(sys.argv[1:])}"
        args.out.write_text(as_markdown(args.preset, rows, chosen, command))
    print(json.dumps({"rows": rows, "chosen": chosen}) if args.json else chosen)


if __name__ == "__main__":
    main()
