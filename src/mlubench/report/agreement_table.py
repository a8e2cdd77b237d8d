"""Draws how far judges agree, in the terminal."""

from collections.abc import Iterator
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlubench.report.labels import TITLES, label
from mlubench.statistics.agreement import Measured
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
_SHOWN_MISTAKES = 160


def render_agreement(facts: RunAgreement) -> Group:
    """What `mlubench judge agreement` says of a run."""
    parts: list[RenderableType] = []
    for pair in facts["pairs"]:
        parts += [
            Text(f"{pair['a']} and {pair['b']}", style="bold"),
            *_measured(pair, pair["a"], pair["b"]),
        ]
        if pair["unscored"]:
            parts.append(
                Text(
                    f"{pair['unscored']} answers that either left unscored are not counted.",
                    style="yellow",
                )
            )
        parts += [*_rankings(pair), Text()]
    return Group(*parts, Text(NOTE, style="dim"), Text(RANK_NOTE, style="dim"))


def render_shipped(facts: ShippedAgreement) -> Group:
    """What it says of the labelled answers that ship with the project."""
    parts: list[RenderableType] = []
    for half, measured in facts["halves"].items():
        parts += [Text(f"{facts['b']} against the shipped labels, {half} half", style="bold")]
        parts += [*_measured(measured, facts["a"], facts["b"]), Text()]
    for row in facts["mistakes"]:
        response = " ".join(row["response"].split())[:_SHOWN_MISTAKES]
        said = f"{row['half']}, {row['metric']}: label {row['label']}, judged {row['score']} ({row['why']}): {response}"
        parts.append(Text(said))
    return Group(*parts, Text(NOTE, style="dim"))


def _measured(measured: AgreementByMetric, a: str, b: str) -> Iterator[RenderableType]:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for index, name in enumerate(COLUMNS):
        table.add_column(name, justify="right" if index else "left")
    rows = [
        ("All", measured),
        *((TITLES[metric], part) for metric, part in measured["by_metric"].items()),
    ]
    for name, part in rows:
        values = [_value(part[key]) for key in MEASURES]
        table.add_row(name, str(part["n"]), *values)
    yield table
    counts = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    for name in (f"{a} \\ {b}", "0", "1", "2"):
        counts.add_column(Text(name), justify="right")
    for score, row in enumerate(measured["confusion"]):
        counts.add_row(str(score), *map(str, row))
    yield counts


def _value(measure: Measured) -> str:
    if measure["value"] is None:
        return "–"
    text = f"{measure['value']:.3f}"
    return (
        f"{text} ({measure['ci95'][0]:.2f}–{measure['ci95'][1]:.2f})" if measure["ci95"] else text
    )


def _rankings(pair: JudgePair) -> Iterator[RenderableType]:
    for metric, ranking in pair["ranking"].items():
        if ranking["kendall"] is None:
            continue
        span = (
            f" ({ranking['kendall_ci95'][0]:.2f}–{ranking['kendall_ci95'][1]:.2f})"
            if ranking["kendall_ci95"]
            else ""
        )
        methods = ", ".join(
            f"{label(str(row['method']))} {row[pair['a']]:.2f}/{row[pair['b']]:.2f}"
            for row in ranking["methods"]
        )
        yield Text(
            f"{TITLES[metric]}: Kendall {ranking['kendall']:.2f}{span}, Spearman {ranking['spearman']:.2f}; {methods}"
        )
