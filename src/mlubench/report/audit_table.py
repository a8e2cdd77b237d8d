"""The text of an audit's tables, which terminal and page share: attacks by system, and the ways that did most harm."""

from collections.abc import Iterable, Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlubench.report import class_table
from mlubench.report.labels import label
from mlubench.report.score_table import MISSING, span
from mlubench.runs.audits import MOST_TOLD, AttackRow, Audit, WayRow

TITLE = "Audit: what attacks get out"
WORST_TITLE = "The ways that did most harm to each system"
NOTE = (
    "Each figure is the worst way of an attack, and in brackets the share of facts that at least one way did harm to, of "
    "ways in which nothing comes by chance. Lower is better. Leak: forgotten facts told; lost: answers that the base has "
    "right; refused: questions that the base does not refuse. Only facts that the base tells are asked for, so its own "
    "leak is about the most that an attack can get. A way is counted over the facts that it can be asked about, and above "
    "chance where it may be guessed. * needs probabilities, ** the weights."
)
WORST_COLUMNS = [
    "System",
    "Attack",
    "Counts",
    "Way",
    "Share",
    "95% interval",
    "n",
    "Past the gate",
]
# Of each kind of harm, so that many that refuse hide none that tells.
SHOWN_WAYS: Mapping[str, int] = {"leak": 3, "lost": 1, "refused": 1}
TOLD_TITLE = "What was told"
TOLD_COLUMNS = ["System", "Whose", "Question", "Truth", "Answer", "Way"]
TOLD_NOTE = (
    f"The first answer that told a fact, of {MOST_TOLD} facts of each system at most. An answer counts that holds a part "
    "of the truth. These are forgotten facts: keep this page as you keep them."
)
# What `Audit.facts` counts. Earlier audits had no general questions.
_ASKED_ABOUT = {
    "forgotten": "forgotten facts",
    "kept": "kept facts",
    "stranger": "things of no task",
    "general": "general questions",
}
_WORDS = ("System", "Attack", "Counts", "Way", "Most", "Least")
_FIGURES = ("Share", "95% interval", "n")
# Behind the names of attacks that need more than to ask.
_MARKS = {"scores": "*", "weights": "**"}


def attack_columns(audit: Audit) -> list[str]:
    """The heads of the table of attacks."""
    return ["Attack", "Counts", *(label(system) for system in audit.systems)]


def attack_lines(audit: Audit) -> list[list[str]]:
    """A line for each attack, by `attack_columns`."""
    cells = {(row.attack, row.system): row for row in audit.summary}
    lines = []
    for facts in audit.attacks:
        line = [facts.attack + _MARKS.get(facts.access, ""), facts.harm]
        for system in audit.systems:
            line.append(_cell(cells.get((facts.attack, system))))
        lines.append(line)
    return lines


def _cell(row: AttackRow | None) -> str:
    if row is None or row.worst is None:
        return MISSING
    if row.any_way is None:
        return f"{row.worst:.2f}"
    return f"{row.worst:.2f} ({row.any_way:.2f})"


def worst_lines(audit: Audit) -> list[list[str]]:
    """What did most harm to each system but the base by asking alone, by WORST_COLUMNS; none where nothing did."""
    asking = {facts.attack for facts in audit.attacks if facts.access == "asking"}
    lines = []
    for system in audit.systems[1:]:
        rows = [row for row in audit.ways if row.system == system and row.rate]
        rows = [row for row in rows if row.attack in asking]
        rows.sort(key=lambda row: row.rate or 0.0, reverse=True)
        for harm, count in SHOWN_WAYS.items():
            of_harm = [row for row in rows if row.harm == harm]
            lines += [_way_line(row) for row in of_harm[:count]]
    return lines


def _way_line(row: WayRow) -> list[str]:
    missed = MISSING if row.missed is None else f"{row.missed:.2f}"
    share = f"{row.rate:.3f}"
    interval = span(row.ci95) or MISSING
    way = [label(row.system), row.attack, row.harm, row.way]
    return [*way, share, interval, str(row.n), missed]


def told_lines(audit: Audit) -> list[list[str]]:
    """What was told by asking, by TOLD_COLUMNS."""
    lines = []
    for row in audit.told:
        where = f"{row.attack}: {row.way}"
        lines.append([label(row.system), row.entity, row.question, row.truth, row.answer, where])
    return lines


def meanings(audit: Audit) -> list[tuple[str, str]]:
    """(attack, what its figures mean)."""
    return [(facts.attack, facts.meaning) for facts in audit.attacks]


def bound_lines(audit: Audit) -> list[str]:
    """Whether each bound is kept, in words."""
    lines = []
    for row in audit.bounds:
        verdict = "broken" if row.broken else "kept"
        line = f"{row.bound}: {verdict}"
        if row.figure is not None:
            line += f", at most {row.figure:.3f} ({label(row.system)}, {row.attack})"
        if row.unmeasured:
            line += f"; not measured: {', '.join(row.unmeasured)}"
        lines.append(line)
    return lines


def left_out_lines(earlier: Audit | None, audit: Audit) -> list[str]:
    """In words, what an audit does not show: answers of systems that were made anew, and what an earlier one showed."""
    lines = [
        f"{label(system)} was made anew since: {count:,} earlier answers are left out"
        for system, count in audit.outdated.items()
    ]
    if earlier is not None:
        attacks = {facts.attack for facts in audit.attacks}
        gone = [label(system) for system in earlier.systems if system not in audit.systems]
        gone += [facts.attack for facts in earlier.attacks if facts.attack not in attacks]
        if gone:
            lines.append(
                f"not in audit.json any more: {', '.join(gone)}; their answers are kept for an audit that names them"
            )
    return lines


def asked_line(audit: Audit) -> str:
    """How much was asked about."""
    counts = [f"{audit.facts.get(kind, 0)} {what}" for kind, what in _ASKED_ABOUT.items()]
    quick = "; a quick audit" if audit.quick else ""
    line = f"After the last task, about {', '.join(counts)}{quick}."
    failed = [row for row in audit.summary if row.failed]
    if failed:
        attacks = ", ".join(dict.fromkeys(row.attack for row in failed))
        line += f" {sum(row.failed for row in failed):,} queries got no answer ({attacks})."
    return line


def render_audit(audit: Audit) -> Group:
    """The audit as it is drawn in the terminal."""
    parts: list[RenderableType] = [Text(TITLE, style="bold"), Text(asked_line(audit))]
    parts.append(_table(attack_columns(audit), attack_lines(audit)))
    parts.append(Text(NOTE, style="dim"))
    worst = worst_lines(audit)
    if worst:
        parts += [Text(), Text(WORST_TITLE, style="bold"), _table(WORST_COLUMNS, worst)]
    unequal = class_table.unlikely_lines(audit)
    if unequal:
        parts += [Text(), Text(class_table.TITLE, style="bold")]
        parts += [_table(class_table.COLUMNS, unequal), Text(class_table.NOTE, style="dim")]
    return Group(*parts)


def _table(columns: Iterable[str], lines: Iterable[list[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for name in columns:
        # Words stand on the left, figures on the right.
        table.add_column(
            Text(name),
            justify="left" if name in _WORDS else "right",
            overflow="fold",
            # Where it is narrow, words are parted before figures.
            no_wrap=name in _FIGURES,
        )
    for line in lines:
        table.add_row(*map(Text, line))
    return table
