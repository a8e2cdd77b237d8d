"""Turns scores into the text of the paper's table, so that terminal and page cannot disagree."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

from mlubench.report import liveness
from mlubench.report.labels import label
from mlubench.runs.folder import BASE
from mlubench.runs.results import CellRow, Results
from mlubench.statistics.directions import marked
from mlubench.statistics.published import MAIN_TABLE, published_score
from mlubench.statistics.scores import METRICS, stability
from mlubench.types import Metric

MISSING = "–"
UNJUDGED = "?"
UNSCORED_LIMIT = 0.01
PAPER_NOTE = "Rows of the paper: LLaVA-v1.6-7B, one seed, its own photographs and judge, the published protocol."
STABILITY_NOTE = (
    "Stability: the sum over tasks of |first score - last score|; lower is better, but a dead model is perfectly "
    "stable, so read it beside Final and never alone."
)


@dataclass(frozen=True, slots=True)
class ShownNumber:
    """One number as people see it."""

    text: str = MISSING
    interval: str = ""
    best: bool = False
    # Of an archive that answers next to nothing: such a number is never the best.
    dead: bool = False

    @property
    def marked(self) -> str:
        """The number with the sign of a dead archive behind it."""
        return f"{self.text}{liveness.MARK}" if self.dead else self.text


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One method's line: a score for each X-UY, then the level and the stability over the sequence."""

    method: str
    label: str
    scores: list[ShownNumber]
    final: ShownNumber
    stability: ShownNumber
    unscored: int
    reference: bool = False


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """The paper's table for one metric under one judge. `columns` are the X-UY names of each row's `scores`."""

    metric: Metric
    judge: str
    columns: list[str]
    rows: list[ScoreRow]

    @property
    def unscored(self) -> int:
        return sum(row.unscored for row in self.rows)

    @property
    def any_dead(self) -> bool:
        """Whether a number of this table is that of a dead archive."""
        return any(shown.dead for row in self.rows for shown in row.scores)

    @property
    def legend(self) -> str:
        """What the signs in this table stand for; empty when it holds numbers only."""
        texts = {shown.text for row in self.rows for shown in row.scores}
        meanings = []
        if MISSING in texts:
            meanings.append(f"{MISSING} not tested")
        if UNJUDGED in texts:
            meanings.append(f"{UNJUDGED} no answer could be judged")
        if self.any_dead:
            meanings.append(liveness.NOTE)
        return "; ".join(meanings)


@dataclass(frozen=True, slots=True)
class Unscored:
    """How many answers could not be judged, of how many."""

    count: int
    of: int

    @property
    def alarming(self) -> bool:
        return self.count > UNSCORED_LIMIT * self.of


def number(value: float | None, digits: int = 3) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"


def span(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.2f}–{interval[1]:.2f}"


def _shown(cell: CellRow | None, top: str | None = None, *, dead: bool = False) -> ShownNumber:
    if cell is None:
        return ShownNumber()
    if cell.score is None:
        return ShownNumber(UNJUDGED)
    text = number(cell.score)
    return ShownNumber(text, span(cell.ci95), best=text == top and not dead, dead=dead)


def _top(values: Mapping[str, float | None], dead: Container[str]) -> str | None:
    """The highest value of a living method as shown, so that numbers that look equal are marked alike.

    `values` are by method. None with nothing to compare.
    """
    known = {method: value for method, value in values.items() if value is not None}
    living = [value for method, value in known.items() if method not in dead]
    return number(max(living)) if living and len(known) > 1 else None


Step = tuple[str, str]  # (X, Y) of X-UY


def _reference_rows(results: Results, judge: str, metric: Metric) -> list[ScoreRow]:
    """What methods are held against: the untouched model, LUMoE with a gate that is told the answer, and references."""
    # The base shows one score in every column of a task, since nothing has changed it.
    base = results.base_scores(judge, metric)
    rows = [_reference(results, BASE, {step: base.get(step[0]) for step in results.steps()})]
    scores = results.scores(judge, metric)
    for name in dict.fromkeys(cell.method for cell in results.upper_bound):
        cells = {step: scores.get((name, *step)) for step in results.steps()}
        rows.append(_reference(results, name, cells))
    for name in dict.fromkeys(cell.method for cell in results.references):
        cells = {step: scores.get((name, *step)) for step in results.steps()}
        row = _reference(results, name, cells)
        tested = [cell for cell in cells.values() if cell is not None]
        # Unlike base and bound, these change with every task.
        moved = ShownNumber(number(stability(tested, results.tasks, metric)))
        rows.append(replace(row, stability=moved))
    return [row for row in rows if any(shown.text != MISSING for shown in row.scores)]


def _reference(results: Results, name: str, cells: dict[Step, CellRow | None]) -> ScoreRow:
    last = [cell for (_, after), cell in cells.items() if after == results.tasks[-1]]
    known = [cell.score for cell in last if cell is not None and cell.score is not None]
    final = ShownNumber()
    # A mean over fewer tasks would not be comparable.
    if known and len(known) == len(last):
        final = ShownNumber(number(sum(known) / len(known)))
    # A base score stands in several columns but its unscored answers count once.
    different = {id(cell): cell.unscored for cell in cells.values() if cell is not None}
    return ScoreRow(
        name,
        label(name),
        scores=[_shown(cell) for cell in cells.values()],
        final=final,
        stability=ShownNumber(),
        unscored=sum(different.values()),
        reference=True,
    )


def _paper_row(method: str, metric: Metric, columns: Sequence[str]) -> ScoreRow:
    """What the paper published of a method, in the columns of this run."""
    scores = [ShownNumber(number(published_score(method, metric, step))) for step in columns]
    name = f"{label(method)}, paper"
    return ScoreRow(method, name, scores, ShownNumber(), ShownNumber(), 0, reference=True)


def score_table(
    results: Results, judge: str, metric: Metric, *, with_paper: bool = False
) -> ScoreTable:
    """One row per method, references first. The best method of each column is marked; a reference is no rival.

    A dead archive is no rival either. `with_paper` sets the paper's row below each method that it published.
    Stability is never marked, because a model that answers nothing would win it.
    """
    steps = results.steps()
    cells = results.scores(judge, metric)
    tops = {}
    dead = liveness.dead_archives(results, judge)
    for task, after in steps:
        column: dict[str, float | None] = {}
        for method in results.methods:
            cell = cells.get((method, task, after))
            column[method] = cell.score if cell is not None else None
        tops[task, after] = _top(column, [name for name, archive in dead if archive == after])
    finals: dict[str, float | None] = dict.fromkeys(results.methods)
    stabilities: dict[str, float | None] = dict.fromkeys(results.methods)
    for summary in results.summary:
        if summary.judge in (judge, ""):
            finals[summary.method] = summary.final.get(metric)
            stabilities[summary.method] = summary.stability.get(metric)
    last = results.tasks[-1] if results.tasks else ""
    top_final = _top(finals, [name for name, archive in dead if archive == last])
    columns = [step_name(*step) for step in steps]
    rows = _reference_rows(results, judge, metric)
    for method in results.methods:
        scores = []
        for step in steps:
            is_dead = (method, step[1]) in dead
            scores.append(_shown(cells.get((method, *step)), tops[step], dead=is_dead))
        final = number(finals[method])
        ends_dead = (method, last) in dead
        row = ScoreRow(
            method,
            label(method),
            scores=scores,
            final=ShownNumber(final, best=final == top_final and not ends_dead, dead=ends_dead),
            stability=ShownNumber(number(stabilities[method])),
            unscored=sum(cell.unscored for cell in cells.values() if cell.method == method),
        )
        rows.append(row)
        if with_paper and method in MAIN_TABLE:
            rows.append(_paper_row(method, metric, columns))
    return ScoreTable(metric, judge, columns, rows)


def score_tables(results: Results, *, with_paper: bool = False) -> list[ScoreTable]:
    """The tables of a run: each metric under each judge."""
    tables = []
    for judge in results.judges:
        for metric in METRICS:
            tables.append(score_table(results, judge, metric, with_paper=with_paper))
    return tables


def step_name(task: str, after: str) -> str:
    return f"{task}-U{after}"


def unscored(results: Results, judge: str) -> Unscored:
    """What the judge left unscored in the whole run, base included. A cell's `n` counts only those that were scored."""
    cells = [cell for cell in [*results.cells, *results.base] if cell.judge == judge]
    return Unscored(
        sum(cell.unscored for cell in cells), sum(cell.n + cell.unscored for cell in cells)
    )


def unscored_warning(results: Results) -> str:
    """What to say when too many answers could not be judged by one of the judges; empty otherwise."""
    shares = []
    for judge in results.judges:
        found = unscored(results, judge)
        if found.alarming:
            share = f"{found.count} of {found.of} answers ({found.count / found.of:.1%})"
            by = f" by {judge}" if len(results.judges) > 1 else ""
            shares.append(f"{share} could not be judged{by}")
    if not shares:
        return ""
    return (
        f"{'; '.join(shares)}. "
        "They are left out of every score, so scores may mislead: look at the verdicts, "
        "then run `mlubench judge RUN` again."
    )


FINAL, STABILITY = marked("Final", "final"), marked("Stability", "stability")


def run_line(results: Results) -> str:
    """The run in one line: what was unlearned, from what, with which seed."""
    run = results.run
    order = " → ".join(results.tasks)
    share = run.benchmark.forget_share
    parts = [
        f"preset {run.preset}" if run.preset else "",
        f"{run.benchmark.kind} benchmark, tasks {order}" if order else "",
        f"{run.benchmark.protocol} protocol",
        f"{share:.0%} of each entity's facts to forget" if share < 1 else "",
        f"model {run.model}" if run.model else "",
        f"pictures {run.train_images} in training" if run.train_images else "",
        f"seed {run.seed}" if run.seed is not None else "",
        f"device {run.device}" if run.device else "",
        f"took {duration(run.seconds)}" if run.seconds is not None else "",
    ]
    return " · ".join(part for part in parts if part)


def duration(seconds: float | None) -> str:
    """Seconds as `42 s`, `3 min 5 s` or `2 h 10 min`; empty when unknown."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
