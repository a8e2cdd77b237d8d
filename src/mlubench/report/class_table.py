"""The text of the table of classes, which terminal and page share: is one class of things hurt more than another?"""

from mlubench.report.labels import label
from mlubench.runs.audits import Audit, SpreadRow
from mlubench.runs.folder import BASE

TITLE = "Are some classes hurt more than others?"
COLUMNS = ["System", "Counts", "Most", "Share", "Least", "Share", "Classes", "Facts", "p"]
NOTE = (
    "Share: of all answers about things of a class, over all ways of asking, those that did harm. p: how often facts that "
    "are dealt to classes at random are as far apart. One in twenty of such lines is below 0.05 where nothing is behind it."
)
# The terminal shows what is hardly chance.
UNLIKELY = 0.05


def lines(audit: Audit) -> list[list[str]]:
    """A line for each kind of harm that a system does, by COLUMNS."""
    return [_line(row) for row in _of_systems(audit)]


def unlikely_lines(audit: Audit) -> list[list[str]]:
    """Those of them that chance alone hardly gives."""
    return [_line(row) for row in _of_systems(audit) if row.p <= UNLIKELY]


def _of_systems(audit: Audit) -> list[SpreadRow]:
    """Without the base, which has nothing to hide or to lose."""
    return [row for row in audit.spreads if row.system != BASE]


def _line(row: SpreadRow) -> list[str]:
    return [
        label(row.system),
        row.harm,
        row.most,
        f"{row.most_rate:.2f}",
        row.least,
        f"{row.least_rate:.2f}",
        str(row.classes),
        str(row.facts),
        f"{row.p:.3f}",
    ]
