"""Writes a folder of docs/results/ from finished runs: tables, figures, and a small results.json without answers.

    python bench/results_page.py runs/real-0 runs/real-1 runs/real-2 --beside runs/toy --beside runs/scope-vision \\
        --out docs/results/real

The runs are seeds of one preset. Those that `--beside` names are only looked at for the paper's claims. What is concluded
is written by a person between two marks of the page, and stays with the page's title when the page is made again.
"""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from mlubench.core.files import write_atomic, write_json
from mlubench.report.breakdown import splits
from mlubench.report.claims_table import claims_markdown
from mlubench.report.endings_table import COLUMNS as ENDINGS_COLUMNS
from mlubench.report.endings_table import NOTE as ENDINGS_NOTE
from mlubench.report.endings_table import endings_lines
from mlubench.report.figures import decay_curves, heat_maps, save_png
from mlubench.report.gate_table import RATES
from mlubench.report.labels import MEANINGS, TITLES, label
from mlubench.report.score_table import (
    MISSING,
    STABILITY_NOTE,
    ScoreTable,
    duration,
    number,
    score_table,
    span,
)
from mlubench.runs.gate_rows import GateRow
from mlubench.runs.results import Results
from mlubench.settings.loading import flat, load
from mlubench.statistics.claims import Claims
from mlubench.statistics.scores import METRICS
from mlubench.studies.claims.groups import Group, Loaded, load_groups
from mlubench.studies.claims.rules import RESAMPLES, claims_of
from mlubench.studies.pooled import SPLITS, Pooled, pooled

# Settings that say where a run was made, or which of its seeds it is.
OWN_SETTINGS = ("seed", "preset", "benchmark.root", "benchmark.images")
# Two figures stay below 300 kB together.
DPI = 110
FIRST_MARK = "<!-- what it says: begin -->"
LAST_MARK = "<!-- what it says: end -->"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, and an empty line."""
    rows = [head, ["---"] * len(head), *lines]
    return [*(f"| {' | '.join(row)} |" for row in rows), ""]


def score_section(scores: ScoreTable, found: Pooled) -> list[str]:
    """One metric: each cell's mean over seeds with its interval, then level and stability."""
    lines = []
    for row in scores.rows:
        cells = [row.label]
        for shown in row.scores:
            text = f"**{shown.marked}**" if shown.best else shown.marked
            cells.append(f"{text}<br>{shown.interval}" if shown.interval else text)
        final = found.finals.get((row.method, scores.metric))
        text = f"**{row.final.marked}**" if row.final.best else row.final.marked
        interval = span(final.ci95) if final else ""
        cells.append(f"{text}<br>{interval}" if interval else text)
        cells.append(row.stability.text)
        lines.append(cells)
    title = f"## {TITLES[scores.metric]} ({MEANINGS[scores.metric]})"
    head = ["method", *scores.columns, "final", "stability"]
    legend = [scores.legend, ""] if scores.legend else []
    return [title, "", *table(head, lines), *legend]


def gate_section(runs: Sequence[Results]) -> list[str]:
    """Every gate after the last task: the mean over seeds, and the lowest and highest where they differ."""
    together: dict[str, list[GateRow]] = {}
    for results in runs:
        for gate in results.gates:
            if gate.after == results.tasks[-1]:
                together.setdefault(gate.gate, []).append(gate)
    if not together:
        return []
    lines = []
    for name, same in together.items():
        cells = [f"{name} (in use)" if same[0].configured else name]
        cells += [_over_seeds([getattr(gate, rate) for gate in same]) for rate in RATES]
        lines.append(cells)
    head = ["gate", *RATES.values()]
    note = "After the last task: the mean over seeds, with the lowest and the highest seed where they differ."
    return ["## Gates", "", *table(head, lines), note, ""]


def _over_seeds(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return MISSING
    mean = number(sum(known) / len(known))
    if min(known) == max(known):
        return mean
    return f"{mean} ({min(known):.2f} to {max(known):.2f})"


def split_section(found: Pooled, judge: str) -> list[str]:
    """The last archives' scores by kind of picture, by what was known before, by class and by phrasing."""
    lines = ["## By picture, knowledge, class and phrasing", ""]
    for by in SPLITS:
        for split in splits(found.results, judge, by):
            rows = []
            for value, shown in split.rows:
                rows.append([value.replace("_", " "), *(cell.text for cell in shown)])
            names = [f"{name} {archive}" for name, archive in split.columns]
            lines += table([f"{split.title}, by {by}", *names], rows)
    lines += ["Answers of all seeds together.", ""]
    return lines


def cost_section(loaded: Sequence[Loaded], found: Pooled) -> list[str]:
    """Time of each run, and time and memory of each method."""
    runs = []
    for one in loaded:
        facts = one.results.run
        seconds = duration(facts.seconds) or MISSING
        dropped = facts.benchmark.facts_dropped
        seed, base_seed = one.seeds
        kept = f"{facts.benchmark.facts} ({dropped} dropped)"
        runs.append([str(seed), str(base_seed), seconds, kept, str(facts.device), str(facts.model)])
    methods = []
    for row in found.results.summary:
        memory = MISSING
        if row.peak_memory_bytes is not None:
            memory = f"{row.peak_memory_bytes / 2**30:.2f} GiB"
        methods.append([label(row.method), duration(row.train_seconds) or MISSING, memory])
    head = ["seed", "seed of the base", "time", "facts", "device", "base"]
    return [
        "## Time and memory",
        "",
        *table(head, runs),
        *table(["method", "training, mean over seeds", "peak memory"], methods),
    ]


def settings_line(loaded: Loaded) -> str:
    """What the methods were trained with."""
    train = loaded.run.config.train
    rates = []
    for method in loaded.run.config.methods:
        own = train.for_method(method)
        rates.append(f"{label(method)} {own.lr:g} x {own.epochs}")
    versions = ", ".join(f"{name} {v}" for name, v in loaded.results.run.versions.items())
    return (
        f"Learning rates x epochs: {', '.join(rates)}. LoRA rank {train.lora.r}, batch {train.batch}, at most "
        f"{loaded.run.config.evaluate.limit} questions a split and cell. {versions}."
    )


def changed_settings(loaded: Loaded) -> list[str]:
    """What the runs set otherwise than their preset, but for seeds and folders."""
    given = flat(loaded.run.config)
    of_preset = flat(load(loaded.run.config.preset, draft=True))
    changed = []
    for key, value in given.items():
        if key not in OWN_SETTINGS and value != of_preset.get(key):
            changed.append(f"`{key}={json.dumps(value)}`")
    return changed


def kept_parts(path: Path) -> tuple[str | None, str]:
    """The title of the page that is there already, and what a person wrote between its two marks."""
    if not path.is_file():
        return None, "\n"
    old = path.read_text(encoding="utf-8")
    title = old.partition("\n")[0]
    if FIRST_MARK not in old or LAST_MARK not in old:
        return title, "\n"
    return title, old.partition(FIRST_MARK)[2].partition(LAST_MARK)[0]


def write_page(group: Group, found: Pooled, claims: Claims, out: Path, command: str) -> None:
    """README.md. Its title, and what a person wrote between the two marks, stay."""
    loaded = next(iter(group.variants.values()))
    path = out / "README.md"
    title, said = kept_parts(path)
    changed = changed_settings(loaded[0])
    settings = f" with {', '.join(changed)}" if changed else ""
    seeds = ", ".join(str(one.seeds[0]) for one in loaded)
    head = f"seeds {seeds}" if len(loaded) > 1 else f"seed {seeds}"
    lines = [
        title or f"# Preset {group.name}",
        "",
        f"Preset `{group.name}`{settings}, {head}, judge `{group.judge}`. Each score is the mean over seeds; below "
        "it its 95% interval, a bootstrap over entities and seeds together. [results.json](results.json) holds the "
        "figures and no answers.",
        "",
        FIRST_MARK + said + LAST_MARK,
        "",
        "![Heat maps: score on task X after unlearning up to Y](heatmaps.png)",
        "",
        "![Decay: forget quality and utility as tasks are unlearned](decay.png)",
        "",
    ]
    for metric in METRICS:
        lines += score_section(score_table(found.results, group.judge, metric), found)
    lines += [STABILITY_NOTE, ""]
    endings = endings_lines(found.results)
    if endings:
        lines += ["## How each method ends", "", *table(ENDINGS_COLUMNS, endings)]
        lines += [f"{ENDINGS_NOTE} Means over seeds.", ""]
    lines += gate_section([one.results for one in loaded])
    lines += split_section(found, group.judge)
    lines += ["## The paper's claims", "", claims_markdown(claims)]
    lines += cost_section(loaded, found)
    lines += ["## Made by", "", f"`{command}`", "", settings_line(loaded[0]), ""]
    write_atomic(path, "\n".join(lines))


def write_results(group: Group, found: Pooled, claims: Claims, out: Path) -> None:
    """results.json: the pooled results, each seed's own cells, and the claims."""
    seeds = []
    for loaded in next(iter(group.variants.values())):
        cells = []
        for cell in loaded.results.cells:
            cells.append([cell.method, cell.task, cell.after, cell.metric, cell.score])
        seeds.append({"run": loaded.results.run.as_json(), "cells": cells})
    pooled_json = found.results.as_json()
    # The head of the pooled results would be that of the first seed alone.
    del pooled_json["run"]
    write_json(out / "results.json", {"pooled": pooled_json, "seeds": seeds, "claims": claims})


def shown_command(runs: Sequence[Path], beside: Sequence[Path], out: Path) -> str:
    """The command as anybody may give it: where folders lie is this machine's own affair."""
    words = [f"runs/{path.name}" for path in runs]
    for path in beside:
        words += ["--beside", f"runs/{path.name}"]
    return f"python bench/results_page.py {shlex.join(words)} --out docs/results/{out.name}"


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--beside",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A run to look at for the claims alone; may be given several times.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print which files were written.")
def main(runs: tuple[Path, ...], beside: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Pool the RUNS, which are seeds of one preset, and write the folder of results."""
    groups = load_groups(runs)
    if len(groups) != 1 or len(groups[0].variants) != 1:
        raise click.UsageError("the runs are not seeds of one preset; give others with --beside")
    (group,) = groups
    (setting,) = group.variants
    found = pooled(group, setting, resamples=RESAMPLES)
    claims = claims_of([*runs, *beside])
    out.mkdir(parents=True, exist_ok=True)
    save_png(heat_maps(found.results, group.judge), out / "heatmaps.png", dpi=DPI)
    save_png(decay_curves(found.results, group.judge), out / "decay.png", dpi=DPI)
    command = shown_command(runs, beside, out)
    write_page(group, found, claims, out, command)
    write_results(group, found, claims, out)
    files = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    if as_json:
        click.echo(json.dumps({"out": str(out), "bytes": files}))
        return
    for name, size in files.items():
        click.echo(f"{out / name}: {size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
