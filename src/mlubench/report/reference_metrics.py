"""Shows what needs no judge: the answers' ROUGE-L, and how probable the truth still is to the model."""

from dataclasses import dataclass

from mlubench.report.labels import label
from mlubench.report.score_table import MISSING, number
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


@dataclass(frozen=True, slots=True)
class ReferenceMetrics:
    """One table. It has no rows where the run has none of these measures."""

    head: list[str]
    rows: list[list[str]]
    note: str  # what to say below


def reference_metrics(results: Results) -> ReferenceMetrics:
    """A line for the base and each method: the mean over tasks after the last one, of each measure on each split.

    Judges change nothing here, so the first one's cells are read.
    """
    judge = results.judges[0]
    cells = {metric: _by_method(results, judge, metric) for metric in METRICS}
    known = []
    for by_method in cells.values():
        for of_method in by_method.values():
            known += [cell for cell in of_method if cell is not None]
    measures = [m for m in MEASURES if any(getattr(cell, m) is not None for cell in known)]
    if not measures:
        return ReferenceMetrics([], [], "")
    head = ["Method"]
    for measure in measures:
        title, _ = MEASURES[measure]
        for metric in METRICS:
            head.append(marked(f"{title}, {SPLITS[metric]}", both_sides(measure, metric)))
    rows = []
    for method in (BASE, *results.methods):
        row = [label(method)]
        for measure in measures:
            row += [_level(cells[metric][method], measure) for metric in METRICS]
        rows.append(row)
    note = NOTE.format(". ".join(": ".join(MEASURES[measure]) for measure in measures))
    if any(cell.truth_probability_missing for cell in known):
        note += MISSING_NOTE
    return ReferenceMetrics(head, rows, note)


def _by_method(results: Results, judge: str, metric: str) -> dict[str, list[CellRow | None]]:
    """A method's cell of each task after the last one; None where it is not tested yet."""
    base = results.base_scores(judge, metric)
    cells = results.scores(judge, metric)
    found = {BASE: [base.get(task) for task in results.tasks]}
    for method in results.methods:
        found[method] = [cells.get((method, task, results.tasks[-1])) for task in results.tasks]
    return found


def _level(cells: list[CellRow | None], measure: str) -> str:
    """The mean over the tasks, and in brackets how many answers it leaves out. A gap in the tasks is no mean."""
    tested = [cell for cell in cells if cell is not None]
    values = [getattr(cell, measure) for cell in tested]
    known = [value for value in values if value is not None]
    text = MISSING
    if known and len(known) == len(cells):
        text = number(sum(known) / len(known))
    if measure != "truth_probability":
        return text
    missing = sum(cell.truth_probability_missing for cell in tested)
    return f"{text} ({missing})" if missing else text
