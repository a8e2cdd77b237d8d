"""Puts beside the scores what needs no judge: the answers' ROUGE-L, and how probable the truth still is to the model."""

from mlubench.report.board import MISSING, number
from mlubench.report.labels import label
from mlubench.runs.folder import BASE
from mlubench.runs.results import CellRow, Results
from mlubench.statistics.directions import both_sides, marked
from mlubench.statistics.scores import METRICS
from mlubench.types import METRIC_OF

MEASURES = {
    "rouge_l": ("ROUGE-L", "how much of the truth the answer repeats"),
    "truth_probability": (
        "P(truth)",
        "the mean probability a token of the truth to the model that answers",
    ),
}
TITLE = "Beside the judge"
NOTE = "After the last task, the mean over tasks. {}. Nothing here sees whether an answer refuses."
MISSING_NOTE = (
    " In brackets: answers without P(truth), as a failed gate's refusals; they are left out."
)
SPLITS = {metric: split for split, metric in METRIC_OF.items()}


def beside(results: Results) -> tuple[list[str], list[list[str]], str]:
    """Headings, a line for the base and each method, and what to say below; no line where the run has none of it.

    Judges change nothing here: the first one's cells are read.
    """
    judge = results.judges[0]
    tables = {metric: _by_method(results, judge, metric) for metric in METRICS}
    known = [
        cell
        for by_method in tables.values()
        for cells in by_method.values()
        for cell in cells
        if cell
    ]
    measures = [m for m in MEASURES if any(getattr(cell, m) is not None for cell in known)]
    head = ["Method"]
    for measure in measures:
        head += [
            marked(f"{MEASURES[measure][0]}, {SPLITS[x]}", both_sides(measure, x)) for x in METRICS
        ]
    rows = [
        [
            label(name),
            *(_level(tables[metric][name], measure) for measure in measures for metric in METRICS),
        ]
        for name in (BASE, *results.methods)
    ]
    missing = any(cell.truth_probability_missing for cell in known)
    note = NOTE.format(". ".join(": ".join(MEASURES[measure]) for measure in measures))
    return head, rows if measures else [], note + MISSING_NOTE * missing


def _by_method(results: Results, judge: str, metric: str) -> dict[str, list[CellRow | None]]:
    """A method's cell of each task after the last one; None where it is not tested yet."""
    base, cells, tasks = (
        results.base_scores(judge, metric),
        results.scores(judge, metric),
        results.tasks,
    )
    found: dict[str, list[CellRow | None]] = {BASE: [base.get(task) for task in tasks]}
    return found | {m: [cells.get((m, task, tasks[-1])) for task in tasks] for m in results.methods}


def _level(cells: list[CellRow | None], measure: str) -> str:
    values = [None if cell is None else getattr(cell, measure) for cell in cells]
    known = [value for value in values if value is not None]
    text = number(sum(known) / len(known)) if known and len(known) == len(values) else MISSING
    missing = (
        sum(cell.truth_probability_missing for cell in cells if cell)
        if measure == "truth_probability"
        else 0
    )
    return f"{text} ({missing})" if missing else text
