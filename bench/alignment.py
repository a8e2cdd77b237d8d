"""Does unlearning ruin the alignment of vision and language, and is it the pictures in training that do it?

Unlearns all tasks with {train.images: seen, blind} x {train.scope: language, vision} for several methods and seeds, and
measures every archived state: answers to the right, a wrong and no picture, and linear probes of features. Interrupted, it
goes on where it was. Learning rates are in alignment_lr.yaml; first of all choose those that are not:

    python bench/alignment.py --choose-lr --out docs/results/alignment.md
    python bench/alignment.py --out docs/results/alignment.md
"""

import argparse
import json
import shlex
import sys
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from alignment_measures import measure_run, measures
from alignment_tables import rates_section, replace_section, study_section
from choose_lr import GRID, Trial, choose, try_rate
from mlubench.core.errors import MlubenchError
from mlubench.core.files import write_atomic
from mlubench.experiment.sequence import run_lifelong
from mlubench.models.quiet import quiet
from mlubench.runs.results import Results
from mlubench.settings.loading import load
from mlubench.statistics.intervals import mean_over_seeds
from mlubench.statistics.scores import METRICS
from mlubench.unlearning.trainer import NoGradientError

SETTINGS = tuple(product(("seen", "blind"), ("language", "vision")))
RATES = Path(__file__).with_name("alignment_lr.yaml")
CHOOSING_SEED = 1  # not among the seeds of the study, so that the rates are not tuned to it
Key = tuple[str, str, str, str, str]  # images, scope, method, after, measure


def tell(text: object) -> None:
    Console(stderr=True, width=200).print(text, highlight=False)


def choose_rates(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Choose what the rates file lacks, write it there, and return a row for each rate tried."""
    rows = []
    for images, scope in SETTINGS:
        setting = f"{images}-{scope}"
        file = yaml.safe_load(RATES.read_text())
        rates = file.setdefault(args.preset, {}).setdefault(setting, {})
        try:
            for method in [method for method in args.methods if method not in rates]:
                trials = _try_rates(args, images, scope, method)
                rates[method] = choose(trials).lr
                for trial in trials:
                    chosen = trial.lr == rates[method]
                    where = {"images": images, "scope": scope}
                    rows.append({**where, **asdict(trial), "chosen": chosen})
        except NoGradientError as error:
            tell(f"{setting}: {error}")
        head = "".join(
            line + "\n" for line in RATES.read_text().splitlines() if line.startswith("#")
        )
        write_atomic(RATES, head + yaml.safe_dump(file, default_flow_style=None, width=120))
    return rows


def _try_rates(args: argparse.Namespace, images: str, scope: str, method: str) -> list[Trial]:
    settings = [
        f"seed={CHOOSING_SEED}",
        f"train.images={images}",
        f"train.scope={scope}",
        *args.settings,
    ]
    folder = args.work / args.preset / "lr" / f"{images}-{scope}"
    trials = []
    for rate in args.grid:
        trials.append(try_rate(args.preset, method, rate, settings, folder))
        tell({"images": images, "scope": scope, **asdict(trials[-1])})
    return trials


def rates_for(args: argparse.Namespace, images: str, scope: str) -> dict[str, float]:
    """Each method's learning rate, none for a setting that cannot be trained. MlubenchError for one that is not chosen."""
    rates = yaml.safe_load(RATES.read_text()).get(args.preset, {}).get(f"{images}-{scope}")
    missing = (
        [m for m in args.methods if m not in rates]
        if rates
        else args.methods
        if rates is None
        else []
    )
    if missing:
        where = f"{args.preset}, {images}-{scope}: {', '.join(missing)}"
        raise MlubenchError(
            f"{RATES.name} has no learning rate for {where}", "Run this with --choose-lr first."
        )
    return {m: rates[m] for m in args.methods if rates}


def study(args: argparse.Namespace) -> dict[str, Any]:
    """All settings and seeds: `rows`, one a state and measure with a value for each seed, and the settings `refused`."""
    found: dict[Key, list[dict[str, Any]]] = {}
    refused: dict[tuple[str, str], str] = {}
    for (images, scope), seed in product(SETTINGS, args.seeds):
        if (images, scope) in refused:
            continue
        try:
            states = run_and_measure(args, images, scope, seed)
        except NoGradientError as error:
            refused[images, scope] = str(error)
            tell(f"{images}-{scope}: {error}")
            continue
        for state in states:
            for measure, out in state["measures"].items():
                setting = ("", "") if state["method"] == "base" else (images, scope)
                values = found.setdefault((*setting, state["method"], state["after"], measure), [])
                if (
                    state["method"] != "base" or not values
                ):  # the base is one and the same in every run
                    values.append({"seed": seed, **out})
    return {
        "preset": args.preset,
        "rates": {f"{i}-{s}": rates_for(args, i, s) for i, s in SETTINGS},
        "rows": [_row(key, values) for key, values in found.items()],
        "refused": [{"images": i, "scope": s, "error": e} for (i, s), e in refused.items()],
    }


def _row(key: Key, values: list[dict[str, Any]]) -> dict[str, Any]:
    known = [v["value"] for v in values if v["value"] is not None]
    mean, ci95 = mean_over_seeds(known) if known else (None, None)
    if len(values) == 1:
        ci95 = values[0]["ci95"]
    names = ("images", "scope", "method", "after", "measure")
    return {**dict(zip(names, key, strict=True)), "mean": mean, "ci95": ci95, "seeds": values}


def run_and_measure(
    args: argparse.Namespace, images: str, scope: str, seed: int
) -> list[dict[str, Any]]:
    """One run of all methods, and what is measured of each of its states."""
    rates = {m: {"lr": rate} for m, rate in rates_for(args, images, scope).items()}
    overrides = [
        f"seed={seed}",
        f"methods=[{', '.join(args.methods)}]",
        f"train.images={images}",
        f"train.scope={scope}",
        f"train.per_method={json.dumps(rates)}",
        *args.settings,
    ]
    root = args.work / args.preset / f"{images}-{scope}-{seed}"
    tell(f"{root}")
    results = run_lifelong(load(args.preset, overrides), root, Console(stderr=True, width=200))
    states = measure_run(root, limit=args.limit, tell=tell)
    for state in states:
        state["measures"] = {
            **scores_of(results, state["method"], state["after"]),
            **measures(state, resamples=args.resamples),
        }
    return states


def scores_of(results: Results, method: str, after: str) -> dict[str, dict[str, Any]]:
    """Forget quality and utility, the mean over the tasks that the state is tested on."""
    every = [*results.base, *results.cells]
    cells = [c for c in every if (c.method, c.after) == (method, after)]
    found = {}
    for metric in METRICS:
        values = [c.score for c in cells if c.metric == metric and c.score is not None]
        found[metric] = {"value": sum(values) / len(values) if values else None, "ci95": None}
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="toy")
    parser.add_argument("--methods", nargs="+", default=["ga", "npo", "po", "lumoe"])
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[0, 2, 3],
        help="1 is the seed that rates are chosen on",
    )
    parser.add_argument(
        "-s",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="as `mlubench run`",
    )
    parser.add_argument(
        "--limit", type=int, default=60, help="retain questions a task that the measures ask"
    )
    parser.add_argument("--resamples", type=int, default=2000, help="of each bootstrap")
    parser.add_argument(
        "--choose-lr",
        action="store_true",
        help="choose the learning rates that are not in the file",
    )
    parser.add_argument(
        "--grid",
        type=float,
        nargs="+",
        default=list(GRID),
        help="the learning rates to choose from",
    )
    parser.add_argument("--quick", action="store_true", help="preset `smoke`, the first seed alone")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("runs/alignment"),
        help="its runs; kept, so that it resumes",
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--out", type=Path, help="write the tables into this Markdown file, in place of older ones"
    )
    args = parser.parse_args()
    if args.quick:
        args.preset, args.seeds, args.limit = "smoke", args.seeds[:1], 30
    return args


def main() -> None:
    args = parse()
    quiet()
    command = f"python bench/alignment.py {shlex.join(sys.argv[1:])}".strip()
    if args.choose_lr:
        found: dict[str, Any] = {"preset": args.preset, "rows": choose_rates(args)}
        name, text = f"{args.preset}: learning rates", rates_section(found, command)
    else:
        found = study(args)
        name, text = args.preset, study_section(found, command)
    if args.out:
        replace_section(args.out, name, text)
    print(json.dumps(found) if args.json else text)


if __name__ == "__main__":
    try:
        main()
    except MlubenchError as error:
        sys.exit(f"alignment: error: {error}")
