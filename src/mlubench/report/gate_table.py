"""Turns reports on gates into the text of their tables, for terminal and page."""

from collections.abc import Iterable

from mlubench.report.score_table import MISSING, number, span
from mlubench.runs.gate_rows import GatePart, GateRow
from mlubench.runs.results import Results
from mlubench.statistics.directions import DIRECTIONS_NOTE, marked

GATE_NOTE = (
    f"{DIRECTIONS_NOTE} The gate in use routes; the others are measured beside it. FPR95: retain pictures passed where 95% "
    "of forget pictures are. Unseen: entities of later tasks that were refused. Strangers: entities of no task that were. "
    "ms: median latency. A gate decides who answers: the base model still holds what is suppressed."
)
RATES = {
    name: marked(title, name)
    for name, title in (
        ("leak_rate", "Leak rate"),
        ("over_refusal_rate", "Over-refusal"),
        ("wrong_expert_rate", "Wrong expert"),
        ("unseen_refusal_rate", "Unseen"),
        ("stranger_rate", "Strangers"),
        ("auroc", "AUROC"),
        ("fpr95", "FPR95"),
    )
}
GATE_COLUMNS = ["Gate", "After", *RATES.values(), "n", marked("ms", "latency_ms_p50")]
# Of the rates by kind of picture, those that a part of the test pictures has.
PART_RATES = ("leak_rate", "over_refusal_rate", "wrong_expert_rate")
PART_COLUMNS = [
    "Gate",
    "After",
    "Pictures",
    *(RATES[rate] for rate in PART_RATES),
    "forget / retain",
]
PART_TITLE = "Gates by kind of picture"
HARM_TITLE = "What is told and lost in the end"
HARM_NOTE = (
    f"{DIRECTIONS_NOTE} Harm: forget queries whose answer tells the fact or a part of it. Lost: answers that the base had "
    "right and that are no longer. By the rules judge, after the second look; drafts: before it."
)
HARM_COLUMNS = [
    "Gate",
    "After",
    "Second look",
    marked("Harm", "harm_rate"),
    "in drafts",
    marked("Lost", "lost_rate"),
    "in drafts",
    "held back",
    "forget / retain",
]


def gate_cells(gate: GateRow) -> list[str]:
    """A gate's line: name, archive, the rates with their intervals, cases, median time in ms."""
    return [
        _name(gate),
        _after(gate),
        *_rates(gate, RATES),
        f"{gate.n} ({gate.failed} failed)" if gate.failed else str(gate.n),
        MISSING if gate.latency_ms_p50 is None else f"{gate.latency_ms_p50:.3g}",
    ]


def part_cells(gates: Iterable[GateRow]) -> list[list[str]]:
    """The lines of all gates for each kind of picture; none where the run does not tell kinds apart."""
    rows = []
    for gate in gates:
        for part in gate.breakdowns:
            counts = f"{part.leak_rate_n}/{part.over_refusal_rate_n}"
            rates = _rates(part, PART_RATES)
            rows.append([_name(gate), _after(gate), part.value, *rates, counts])
    return rows


def harm_cells(gates: Iterable[GateRow]) -> list[list[str]]:
    """The lines of the gates behind which answers were given; none in older runs."""
    rows = []
    for gate in gates:
        if gate.harm_rate is None:
            continue
        harm, lost = _rates(gate, ("harm_rate", "lost_rate"))
        rows.append(
            [
                _name(gate),
                _after(gate),
                gate.second_look or MISSING,
                harm,
                number(gate.draft_harm_rate),
                lost,
                number(gate.draft_lost_rate),
                MISSING if gate.held_back is None else str(gate.held_back),
                f"{gate.harm_rate_n}/{gate.lost_rate_n}",
            ]
        )
    return rows


def gate_note(results: Results) -> str:
    """What stands below the gates: what the columns mean, and why one of them is empty."""
    # Every gate of a run is asked about the same strangers.
    reasons = {gate.no_strangers for gate in results.gates} - {""}
    absent = [f"No strangers were asked about: {reason}." for reason in sorted(reasons)]
    return " ".join([GATE_NOTE, *absent, *_stated(results)])


def _stated(results: Results) -> list[str]:
    """What the gate in use said beforehand, the last time that it was fitted, and of which requests it thinks ill."""
    stated = [gate.stated for gate in results.gates if gate.configured and gate.stated]
    if not stated:
        return []
    lines = [f"The gate in use states: {stated[-1].in_words}"]
    for entity, problem in stated[-1].flagged.items():
        lines.append(f"{entity}: {problem}.")
    return lines


def _name(gate: GateRow) -> str:
    return f"{gate.gate} (in use)" if gate.configured else gate.gate


def _after(gate: GateRow) -> str:
    return f"U{gate.after}" if gate.after else MISSING


def _rates(row: GateRow | GatePart, rates: Iterable[str]) -> list[str]:
    """Each rate with its interval."""
    cells = []
    for rate in rates:
        interval = span(row.interval(rate))
        cells.append(number(getattr(row, rate)) + (f" ({interval})" if interval else ""))
    return cells
