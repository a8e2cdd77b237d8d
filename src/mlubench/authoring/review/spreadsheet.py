"""Items as CSV, for people who would rather review in a spreadsheet than on the page."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from mlubench.authoring.review.verdicts import ReviewRow
from mlubench.authoring.rows import ItemRow, ReviewVerdict
from mlubench.core.errors import DataError
from mlubench.core.files import write_atomic

COLUMNS = ("id", "entity", "picture", "text", "answer", "verdict", "who", "when")
_NEEDED_COLUMNS = ("id", "answer", "verdict")
_VERDICTS = get_args(ReviewVerdict)
_SHOWN = 5  # problems in an error
# A spreadsheet would take a cell that begins so for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_csv(path: Path, items: Sequence[ItemRow]) -> None:
    """One line for each item, in their order.

    What a spreadsheet would take for a formula gets an apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for item in items:
        writer.writerow([_escaped(str(getattr(item, column))) for column in COLUMNS])
    # The byte order mark tells a spreadsheet that this is UTF-8.
    write_atomic(path, "\ufeff" + out.getvalue())


def read_csv(path: Path, items: Sequence[ItemRow], *, who: str, when: str) -> list[ReviewRow]:
    """What the file says that the items do not say yet.

    A changed answer means `edited`, whatever the verdict's column says, unless it says `rejected`.
    Lines without a name or a time get `who` and `when`. Raises DataError naming every wrong line;
    nothing is half taken.
    """
    by_id = {item.id: item for item in items}
    found = []
    problems = []
    # The first line holds the names of the columns.
    for number, cells in enumerate(_read_cells(path), 2):
        item = by_id.get(cells["id"])
        verdict = cells["verdict"].strip().lower()
        answer = _unescaped(cells["answer"]).strip()
        if item is None:
            problems.append(f"line {number}: no item {cells['id']!r}")
        elif verdict not in _VERDICTS:
            problems.append(f"line {number}: verdict {cells['verdict']!r}")
        elif not answer:
            problems.append(f"line {number}: the answer is empty")
        else:
            new_verdict = _new_verdict(item, verdict, answer)
            if new_verdict is not None:
                row = {
                    "id": item.id,
                    "verdict": new_verdict,
                    "answer": answer,
                    "who": _unescaped(cells["who"]).strip() or who,
                    "when": cells["when"].strip() or when,
                }
                found.append(ReviewRow.model_validate(row))
    if problems:
        text = "; ".join(problems[:_SHOWN])
        if len(problems) > _SHOWN:
            text += f"; and {len(problems) - _SHOWN} more"
        raise DataError(f"{path}: {text}", "Nothing was taken; mend the lines and import again.")
    return found


def _new_verdict(item: ItemRow, verdict: str, answer: str) -> str | None:
    """What the line says of the item, or None where the item says it already."""
    changed = answer != item.answer
    if changed and verdict != "rejected":
        return "edited"
    if not changed and verdict == item.verdict:
        return None
    return verdict


def _read_cells(path: Path) -> list[dict[str, str]]:
    """The lines of the file by column; columns that it lacks are empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        lines = list(reader)
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist", "Write it with `mlubench data review DIR --export FILE`."
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read as CSV: {error}", "Save it as CSV in UTF-8."
        ) from None
    missing = [column for column in _NEEDED_COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise DataError(
            f"{path} lacks the column {', '.join(missing)}",
            f"Its columns are {', '.join(COLUMNS)}.",
        )
    return [_whole_line(line) for line in lines]


def _whole_line(line: dict[str, str | None]) -> dict[str, str]:
    """Every column of ours, and no other. A short line has None for the cells that it lacks."""
    return {column: line.get(column) or "" for column in COLUMNS}


def _escaped(text: str) -> str:
    """A text that begins with an apostrophe gets another one, so that reading gives it back."""
    return "'" + text if text.startswith((*_FORMULA_STARTS, "'")) else text


def _unescaped(text: str) -> str:
    rest = text.removeprefix("'")
    was_escaped = rest != text and rest.startswith((*_FORMULA_STARTS, "'"))
    return rest if was_escaped else text
