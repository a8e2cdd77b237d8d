"""Writes a run's files to look at: a report.html that needs no network, script or other file, and its figures."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlubench.core.files import write_atomic
from mlubench.report import audit_table, class_table, liveness, lmms_eval_table, oracle_table
from mlubench.report import score_table as tables
from mlubench.report.about_run import facts, notices
from mlubench.report.breakdown import Split, splits
from mlubench.report.differences import COLUMNS, NOTE, differences
from mlubench.report.endings_table import COLUMNS as ENDINGS_COLUMNS
from mlubench.report.endings_table import NOTE as ENDINGS_NOTE
from mlubench.report.endings_table import TITLE as ENDINGS_TITLE
from mlubench.report.endings_table import endings_lines
from mlubench.report.figures import decay_curves, heat_maps, save_png
from mlubench.report.gate_table import (
    GATE_COLUMNS,
    HARM_COLUMNS,
    HARM_NOTE,
    HARM_TITLE,
    PART_COLUMNS,
    PART_TITLE,
    gate_cells,
    gate_note,
    harm_cells,
    part_cells,
)
from mlubench.report.labels import MEANINGS, TITLES, label
from mlubench.report.levels import level_rows
from mlubench.report.reference_metrics import TITLE, reference_metrics
from mlubench.report.samples import NOTE as EXAMPLES_NOTE
from mlubench.report.samples import pick_examples
from mlubench.report.svg import inline_svg
from mlubench.runs.audits import read_audit
from mlubench.runs.folder import RunDir
from mlubench.runs.oracles import read_oracle
from mlubench.runs.results import Results, read_results
from mlubench.statistics.directions import DIRECTIONS_NOTE, marked

if TYPE_CHECKING:
    from jinja2 import Template


@dataclass(frozen=True, slots=True)
class _PageFigure:
    """A figure on the page with its text."""

    id: str  # what a link on the page points to
    title: str
    svg: str  # markup, marked as safe
    note: str


def write_report(
    run_dir: Path, results: Results | None = None, *, with_paper: bool = False
) -> Path:
    """Write RUN/report.html and return its path. `results` defaults to RUN/results.json.

    Works on partial runs: what is missing is said to be missing. Raises MlubenchError when the results cannot be read.
    """
    folder = RunDir(run_dir)
    if results is None:
        results = read_results(folder.results)
    page = _template().render(_page_values(folder, results, with_paper))
    # An answer may hold halves of characters, which UTF-8 cannot spell.
    write_atomic(folder.report, page.encode(errors="replace"))
    return folder.report


def write_figures(results: Results, out_dir: Path) -> list[Path]:
    """Save heatmaps.png and decay.png of a run into `out_dir`."""
    heat_path = out_dir / "heatmaps.png"
    decay_path = out_dir / "decay.png"
    save_png(heat_maps(results), heat_path)
    save_png(decay_curves(results), decay_path)
    return [heat_path, decay_path]


def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    # Everything from the run is data: escaping is on for all of it, and only our own SVG is marked as safe.
    environment = Environment(
        autoescape=True,
        # A name that the template misspells is an error, not an empty place on the page.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    source = files("mlubench.report").joinpath("report.html.j2")
    return environment.from_string(source.read_text(encoding="utf-8"))


def _page_values(folder: RunDir, results: Results, with_paper: bool) -> dict[str, Any]:
    """What report.html.j2 shows, under the names that it uses."""
    # Figures and breakdowns show one judge, or the page would double with each; the notices say so.
    judge = results.judges[0]
    return {
        "line": tables.run_line(results),
        "notices": [*notices(results), *([tables.PAPER_NOTE] if with_paper else [])],
        "warning": tables.unscored_warning(results),
        "facts": facts(results),
        "score_tables": tables.score_tables(results, with_paper=with_paper),
        "titles": TITLES,
        "meanings": MEANINGS,
        "judge": judge,
        "figures": _figures(results),
        "stability_note": tables.STABILITY_NOTE,
        "levels": level_rows(results),
        "reference_metrics": reference_metrics(results),
        "reference_title": TITLE,
        "endings_title": ENDINGS_TITLE,
        "endings_note": ENDINGS_NOTE,
        "endings_columns": ENDINGS_COLUMNS,
        "endings": endings_lines(results),
        "directions": DIRECTIONS_NOTE,
        "final": tables.FINAL,
        "stability": tables.STABILITY,
        "costs": [
            marked("Training time", "train_seconds"),
            marked("Peak memory", "peak_memory_bytes"),
        ],
        "dead_mark": liveness.MARK,
        "difference_columns": COLUMNS,
        "difference_note": NOTE,
        "differences": differences(results, judge),
        "gate_note": gate_note(results),
        "gate_columns": GATE_COLUMNS,
        "gates": [gate_cells(gate) for gate in results.gates],
        "gate_part_title": PART_TITLE,
        "gate_part_columns": PART_COLUMNS,
        "gate_parts": part_cells(results.gates),
        "harm_title": HARM_TITLE,
        "harm_note": HARM_NOTE,
        "harm_columns": HARM_COLUMNS,
        "harm": harm_cells(results.gates),
        "breakdowns": [
            ("phrasing", splits(results, judge, "phrasing")),
            ("class", splits(results, judge, "class")),
            *_where_told(results, judge, "picture"),
            *_where_told(results, judge, "known before"),
        ],
        **_audit(folder),
        **_oracle(folder),
        "examples": pick_examples(folder, results),
        "examples_note": EXAMPLES_NOTE,
        "last": results.tasks[-1] if results.tasks else "",
    }


def _audit(folder: RunDir) -> dict[str, Any]:
    """What the page shows of the run's audit; `audit` is None where there is none."""
    audit = read_audit(folder.audit)
    values: dict[str, Any] = {"audit": audit, "audit_title": audit_table.TITLE}
    if audit is not None:
        values |= {
            "audit_note": audit_table.NOTE,
            "audit_asked": audit_table.asked_line(audit),
            "audit_bounds": audit_table.bound_lines(audit),
            "audit_meanings": audit_table.meanings(audit),
            "audit_tables": [
                ("", "", audit_table.attack_columns(audit), audit_table.attack_lines(audit)),
                (
                    audit_table.WORST_TITLE,
                    "",
                    audit_table.WORST_COLUMNS,
                    audit_table.worst_lines(audit),
                ),
                (
                    audit_table.TOLD_TITLE,
                    audit_table.TOLD_NOTE,
                    audit_table.TOLD_COLUMNS,
                    audit_table.told_lines(audit),
                ),
                (
                    class_table.TITLE,
                    class_table.NOTE,
                    class_table.COLUMNS,
                    class_table.lines(audit),
                ),
                (
                    lmms_eval_table.TITLE,
                    lmms_eval_table.NOTE,
                    lmms_eval_table.columns(audit),
                    lmms_eval_table.lines(audit),
                ),
            ],
        }
    return values


def _oracle(folder: RunDir) -> dict[str, Any]:
    """What the page shows of exact unlearning; `oracle_tables` is empty where nothing was held against it."""
    report = read_oracle(folder.oracle)
    values: dict[str, Any] = {"oracle_title": oracle_table.TITLE, "oracle_tables": []}
    if report is not None:
        values["oracle_tables"] = [
            (
                oracle_table.TITLE,
                oracle_table.NOTE,
                oracle_table.COLUMNS,
                oracle_table.distance_lines(report),
            ),
            (
                oracle_table.RANKS_TITLE,
                oracle_table.RANKS_NOTE,
                oracle_table.rank_columns(report.correlations),
                oracle_table.rank_lines(report.correlations),
            ),
        ]
    return values


def _where_told(results: Results, judge: str, by: str) -> list[tuple[str, list[Split]]]:
    """Scores by what most benchmarks do not tell, as the kind of a picture; nothing where this run does not."""
    tables = splits(results, judge, by)
    return [(by, tables)] if tables else []


def _figures(results: Results) -> list[_PageFigure]:
    from markupsafe import Markup

    names = ", ".join(label(method) for method in results.methods)
    if not names:
        return []
    heat_alt = f"Heat maps of every X-UY score, one column of panels each for {names}. The tables hold the numbers."
    decay_alt = f"Mean forget quality and utility on past tasks after each step for {names}. The tables hold the numbers."
    # Safe to mark: our own drawings, whose names were escaped when the XML was written.
    heat = Markup(inline_svg(heat_maps(results), "heat", heat_alt))
    decay = Markup(inline_svg(decay_curves(results), "decay", decay_alt))
    return [
        _PageFigure(
            id="heat-maps",
            title="Heat maps",
            svg=heat,
            note="Rows are the task that is tested, columns how far unlearning had gone. Grey: not tested (–) or "
            "no answer could be judged (?).",
        ),
        _PageFigure(
            id="decay",
            title="Decay on past tasks",
            svg=decay,
            note="Mean score over all tasks unlearned so far. Bars are 95% intervals of that mean, from the cells' "
            "intervals taken as independent. Dashed: the base before unlearning, on the same tasks, and the references.",
        ),
    ]
