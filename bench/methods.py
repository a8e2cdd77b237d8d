"""Sets methods beside one another after the last task of finished runs: what is still known, refused, and right.

A method that makes the truth unlikely without ever refusing has a forget quality of 0 whatever it has forgotten. So this
shows how much of what must go it still knows, too: mean correctness on the forget samples of all tasks, from 0 to 1.

    mlubench run toy -s 'methods=[wga, siu]' --out runs/methods
    python bench/methods.py runs/methods --json
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from choose_lr import still_known
from mlubench.runs.opening import Run, open_run
from mlubench.runs.results import SummaryRow

HEAD = "| method | still known | forget quality | utility | stability: forget quality | utility |"


@dataclass(frozen=True, slots=True)
class Row:
    """A method after the last task, each figure the mean over the tasks; stability is the sum of what scores have moved."""

    method: str
    known: float
    forget_quality: float | None
    utility: float | None
    forget_quality_moved: float | None
    utility_moved: float | None


def rows_of(folders: Sequence[Path]) -> list[Row]:
    """A row for each method of the runs, in their order."""
    rows = []
    for folder in folders:
        run = open_run(folder)
        rows += [_row(run, summary) for summary in run.results().summary]
    return rows


def _row(run: Run, summary: SummaryRow) -> Row:
    return Row(
        method=summary.method,
        known=round(still_known(run.folder, summary.method, run.order), 4),
        forget_quality=summary.final["forget_quality"],
        utility=summary.final["utility"],
        forget_quality_moved=summary.stability["forget_quality"],
        utility_moved=summary.stability["utility"],
    )


def as_markdown(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    lines = [HEAD, "|---|---|---|---|---|---|"]
    for row in rows:
        figures = list(asdict(row).values())[1:]
        cells = ["" if figure is None else f"{figure:.2f}" for figure in figures]
        lines.append(f"| `{row.method}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = rows_of(args.runs)
    if args.json:
        print(json.dumps({"rows": [asdict(row) for row in rows]}))
    else:
        print(as_markdown(rows))


if __name__ == "__main__":
    main()
