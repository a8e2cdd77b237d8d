"""Shows how each method ends: refusing, answering or babbling, and in how many different answers."""

from mlubench.report.labels import label
from mlubench.report.score_table import MISSING
from mlubench.runs.results import EndingRow, Results
from mlubench.types import Split

TITLE = "How each method ends"
_OF: dict[Split, str] = {"forget": "must go", "retain": "must stay"}
_MEASURES = ("Refused", "Gibberish", "Different answers")
COLUMNS = ["Method", *(f"{measure}, {of}" for of in _OF.values() for measure in _MEASURES)]
NOTE = (
    "After the last task, over all tasks. Refused and gibberish (loops, broken characters, word salad, nothing) by the "
    "written rules, whoever judges; in brackets the share of refusals that claim, in English, not to know: of a model that "
    "only suppresses, that is untrue. Different answers: of all answers, and in brackets how many different truths there "
    "are."
)


def endings_lines(results: Results) -> list[list[str]]:
    """A line for the base and each method, by COLUMNS; none where the run does not say."""
    found: dict[str, dict[str, EndingRow]] = {}
    for row in results.endings:
        found.setdefault(row.method, {})[row.split] = row
    lines = []
    for method, by_split in found.items():
        line = [label(method)]
        for split in _OF:
            line += _cells(by_split.get(split))
        lines.append(line)
    return lines


def _cells(row: EndingRow | None) -> list[str]:
    if row is None or not row.n:
        return [MISSING] * len(_MEASURES)
    return [
        _refused(row),
        f"{row.gibberish / row.n:.0%}",
        f"{row.distinct} of {row.n} ({row.distinct_truths})",
    ]


def _refused(row: EndingRow) -> str:
    share = f"{row.refusals / row.n:.0%}"
    if not row.refusals or row.claims_ignorance is None:
        return share
    return f"{share} ({row.claims_ignorance / row.refusals:.0%})"
