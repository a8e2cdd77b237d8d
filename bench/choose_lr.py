"""Chooses each method's learning rate by one rule, the same grid for all, and writes the figures.

The rule: unlearn the tasks in sequence at every rate of the grid, and look at the model after the last of them. Among the
rates at which the method has unlearned (correctness on all forget samples below 0.5; the base scores near 1), take the one
with the highest forget quality + utility, each the mean over the tasks. If there is none, take the rate with the lowest
correctness on the forget samples. Ties go to the lower rate.

    python bench/choose_lr.py --out docs/hyperparameters.md
    python bench/choose_lr.py --preset real --tasks A B --grid 1e-4 2e-4 4e-4 8e-4
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean

from rich.console import Console

from mlubench.experiment.sequence import run_lifelong
from mlubench.judging.run import make_judge
from mlubench.models.quiet import quiet
from mlubench.runs.folder import RunDir
from mlubench.runs.results import Results
from mlubench.runs.rows import read_answers
from mlubench.settings.loading import load
from mlubench.statistics.scores import FULL

GRID = (3e-4, 5e-4, 7e-4, 1e-3, 3e-3, 1e-2)
UNLEARNED = 0.5


@dataclass(frozen=True, slots=True)
class Trial:
    """A method at one rate, after the last task. All figures are from 0 to 1."""

    method: str
    lr: float
    forget_quality: float
    utility: float
    # Mean correctness on the forget samples of all tasks.
    forget_correctness: float


def try_rate(
    preset: str,
    method: str,
    rate: float,
    settings: Sequence[str],
    folder: Path,
    tasks: Sequence[str] = ("A",),
) -> Trial:
    """Unlearn the tasks in their order by one method at one rate. A run that is there already is not made again."""
    out = folder / f"{method}-{rate:g}"
    overrides = [
        f"benchmark.order=[{','.join(tasks)}]",
        f"methods=[{method}]",
        f"train.lr={rate}",
        # What else a preset sets for the method alone stays.
        f"train.per_method.{method}.lr={rate}",
        # What the rate itself does.
        "lumoe.retries=0",
        *settings,
    ]
    results = run_lifelong(load(preset, overrides), out, Console(quiet=True))
    return Trial(
        method,
        rate,
        _final(results, tasks[-1], "forget_quality"),
        _final(results, tasks[-1], "utility"),
        round(still_known(RunDir(out), method, tasks), 4),
    )


def _final(results: Results, last: str, metric: str) -> float:
    """The mean over the tasks after the last of them. An answer that no judge could score counts as none."""
    cells = [cell for cell in results.cells if cell.after == last and cell.metric == metric]
    return fmean(cell.score or 0 for cell in cells)


def still_known(run: RunDir, method: str, tasks: Sequence[str]) -> float:
    """Mean correctness (0-1) on the forget samples of all tasks, after the last of them."""
    rows = []
    for task in tasks:
        for row in read_answers(run.answers(method, task, tasks[-1])):
            if row.split == "forget":
                rows.append(row)
    judge = make_judge("rules", [(row.cls, row.truth) for row in rows])
    verdicts = judge.judge([replace(row.to_judge(), metric="utility") for row in rows])
    return sum(v.score or 0 for v in verdicts) / FULL / len(verdicts)


def choose(trials: Sequence[Trial]) -> Trial:
    """The one that the rule takes."""
    unlearned = [trial for trial in trials if trial.forget_correctness < UNLEARNED]
    if not unlearned:
        return min(trials, key=lambda trial: (trial.forget_correctness, trial.lr))
    return max(unlearned, key=lambda trial: (trial.forget_quality + trial.utility, -trial.lr))


def as_markdown(
    preset: str,
    tasks: Sequence[str],
    trials: Sequence[Trial],
    chosen: dict[str, float],
    command: str,
) -> str:
    """The page's text."""
    rule = (__doc__ or "").split("\n\n")[1]
    lines = [
        f"# Learning rates of the preset {preset}",
        "",
        rule,
        "",
        f"Tasks {', '.join(tasks)}, judge `rules`; made by `{command}`.",
        "",
        "| method | lr | correctness on forget (lower: unlearned) | forget quality | utility | chosen |",
        "|---|---|---|---|---|---|",
    ]
    for trial in trials:
        mark = "**yes**" if chosen[trial.method] == trial.lr else ""
        lines.append(
            f"| {trial.method} | {trial.lr:g} | {trial.forget_correctness:.3f} "
            f"| {trial.forget_quality:.3f} | {trial.utility:.3f} | {mark} |"
        )
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="toy")
    parser.add_argument(
        "--methods", nargs="+", default=["ga", "gd", "kl", "npo", "po", "dpo", "lumoe"]
    )
    parser.add_argument("--tasks", nargs="+", default=["A"], help="unlearned in this order")
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
    return parser.parse_args()


def main() -> None:
    """Try every rate for every method, and say which the rule takes."""
    args = _arguments()
    quiet()
    grid = args.grid[1:4] if args.quick else args.grid
    methods = args.methods[:3] if args.quick else args.methods
    settings = [f"seed={args.seed}", *args.settings]
    folder = args.work / f"{args.preset}-{''.join(args.tasks)}"
    trials = []
    chosen = {}
    for method in methods:
        of_method = []
        for rate in grid:
            trial = try_rate(args.preset, method, rate, settings, folder, args.tasks)
            Console(stderr=True, width=200).print(asdict(trial))
            of_method.append(trial)
        trials += of_method
        chosen[method] = choose(of_method).lr
    if args.out:
        command = f"python bench/choose_lr.py {shlex.join(sys.argv[1:])}"
        page = as_markdown(args.preset, args.tasks, trials, chosen, command)
        args.out.write_text(page, encoding="utf-8")
    rows = [asdict(trial) for trial in trials]
    print(json.dumps({"rows": rows, "chosen": chosen}) if args.json else chosen)


if __name__ == "__main__":
    main()
