"""Draws how far judges agree, in the terminal."""

from collections.abc import Iterator
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlubench.report.labels import TITLES, label
from mlubench.statistics.agreement import Agreement, Measured
from mlubench.statistics.agreement_rows import (
    AgreementByMetric,
    JudgePair,
    RunAgreement,
    ShippedAgreement,
)
from mlubench.statistics.directions import marked

NOTE = (
    "Kappa: 1 is full agreement, 0 what chance would give; higher is better. In brackets: 95% interval, facts resampled. "
    "Each different answer counts once."
)
RANK_NOTE = "Ranking of methods by their mean score: 1 is the same order, -1 the reverse."
MEASURES: dict[Literal["kappa_quadratic", "kappa_linear", "agreement"], str] = {
    "kappa_quadratic": "Kappa, quadratic",
    "kappa_linear": "Kappa, linear",
    "agreement": "Same score",
}
COLUMNS = ("Answers", "n", *(marked(title, name) for name, title in MEASURES.items()))
# In characters: enough to see what kind of answer it is.
_SHOWN_RESPONSE = 160


def render_agreement(facts: RunAgreement) -> Group:
    """What `mlubench judge agreement` says of a run."""
    parts: list[RenderableType] = []
    for pair in facts["pairs"]:
        parts.append(Text(f"{pair['a']} and {pair['b']}", style="bold"))
        parts += _measured(pair, pair["a"], pair["b"])
        if pair["unscored"]:
            warning = f"{pair['unscored']} answers that either left unscored are not counted."
            parts.append(Text(warning, style="yellow"))
        parts += _rankings(pair)
        parts.append(Text())
    return Group(*parts, Text(NOTE, style="dim"), Text(RANK_NOTE, style="dim"))


def render_shipped(facts: ShippedAgreement) -> Group:
    """What it says of the labelled answers that ship with the project."""
    parts: list[RenderableType] = []
    for half, measured in facts["halves"].items():
        title = f"{facts['b']} against the shipped labels, {half} half"
        parts.append(Text(title, style="bold"))
        parts += _measured(measured, facts["a"], facts["b"])
        parts.append(Text())
    for row in facts["mistakes"]:
        # On one line, whatever the model wrote.
        response = " ".join(row["response"].split())[:_SHOWN_RESPONSE]
        verdict = f"label {row['label']}, judged {row['score']} ({row['why']})"
        parts.append(Text(f"{row['half']}, {row['metric']}: {verdict}: {response}"))
    return Group(*parts, Text(NOTE, style="dim"))


def _measured(measured: AgreementByMetric, a: str, b: str) -> Iterator[RenderableType]:
    """The measures over all answers and by metric, then how often each pair of scores was given."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for index, name in enumerate(COLUMNS):
        table.add_column(name, justify="right" if index else "left")
    table.add_row(*_measure_cells("All", measured))
    for metric, part in measured["by_metric"].items():
        table.add_row(*_measure_cells(TITLES[metric], part))
    yield table
    # A row per score that `a` gave, a column per score that `b` gave.
    counts = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    for name in (f"{a} \\ {b}", "0", "1", "2"):
        counts.add_column(Text(name), justify="right")
    for score, row in enumerate(measured["confusion"]):
        counts.add_row(str(score), *map(str, row))
    yield counts


def _measure_cells(name: str, measured: Agreement) -> list[str]:
    values = [_value(measured[key]) for key in MEASURES]
    return [name, str(measured["n"]), *values]


def _value(measure: Measured) -> str:
    if measure["value"] is None:
        return "–"
    return f"{measure['value']:.3f}{_interval(measure['ci95'])}"


def _interval(ci95: tuple[float, float] | None) -> str:
    if not ci95:
        return ""
    low, high = ci95
    return f" ({low:.2f}–{high:.2f})"


def _rankings(pair: JudgePair) -> Iterator[RenderableType]:
    for metric, ranking in pair["ranking"].items():
        # No order to compare: fewer than two methods, or a judge that ties them all.
        if ranking["kendall"] is None:
            continue
        methods = []
        for row in ranking["methods"]:
            name = label(str(row["method"]))
            methods.append(f"{name} {row[pair['a']]:.2f}/{row[pair['b']]:.2f}")
        kendall = f"Kendall {ranking['kendall']:.2f}{_interval(ranking['kendall_ci95'])}"
        spearman = f"Spearman {ranking['spearman']:.2f}"
        yield Text(f"{TITLES[metric]}: {kendall}, {spearman}; {', '.join(methods)}")
