"""What people said of a build's items: a log that only grows, and its form as CSV for those who prefer a spreadsheet."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from mlubench.authoring.rows import ItemRow, Row, Verdict, line, read_rows
from mlubench.core.errors import DataError
from mlubench.core.files import write_atomic

LOG = "verdicts.jsonl"
COLUMNS = ("id", "entity", "picture", "text", "answer", "verdict", "who", "when")
# A spreadsheet would take a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class VerdictRow(Row):
    """One person's word on one item; `answer` is what an edited one should say. A later line of the log counts."""

    identity = ("id",)
    id: str
    verdict: Verdict
    answer: str = ""
    who: str
    when: str


def read_log(path: Path) -> dict[str, VerdictRow]:
    """The last word on each item, by item id; empty where nobody has said anything."""
    return (
        {row.id: row for row in read_rows(path, VerdictRow, unique=False)} if path.is_file() else {}
    )


def mend_log(path: Path) -> None:
    """Take off a last line that a kill cut short: nobody was told that it is saved, and the next would run into it."""
    data = path.read_bytes() if path.is_file() else b""
    if data and not data.endswith(b"\n"):
        write_atomic(path, data[: data.rfind(b"\n") + 1])


def append(path: Path, rows: Iterable[VerdictRow]) -> None:
    """Add to the log and return when it is on the disk: what a person was told is saved is saved."""
    with path.open("a", encoding="utf-8") as handle:
        handle.write("".join(map(line, rows)))
        handle.flush()
        os.fsync(handle.fileno())


def apply(items: Sequence[ItemRow], said: Mapping[str, VerdictRow]) -> list[ItemRow]:
    """The items with what was said of them. Words on items that are no longer there count for nothing."""
    return [_applied(item, said.get(item.id)) for item in items]


def _applied(item: ItemRow, said: VerdictRow | None) -> ItemRow:
    if said is None or said.verdict == "pending":
        return item
    change = {"verdict": said.verdict, "who": said.who, "when": said.when}
    return item.model_copy(
        update=change | ({"answer": said.answer} if said.verdict == "edited" else {})
    )


def usable(items: Sequence[ItemRow], *, required: bool) -> list[ItemRow]:
    """What a benchmark may be made from: nothing rejected, and nothing unseen where a review is required.

    Raises DataError counting the items that nobody has looked at.
    """
    pending = sum(item.verdict == "pending" for item in items)
    if required and pending:
        raise DataError(
            f"{pending:,} of {len(items):,} items wait for a person",
            "Look at them: `mlubench data review DIR`.",
        )
    return [item for item in items if item.verdict != "rejected"]


def write_csv(path: Path, items: Sequence[ItemRow]) -> None:
    """One line an item, in its order. What a spreadsheet would take for a formula gets an apostrophe in front."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for item in items:
        writer.writerow([_safe(str(getattr(item, column))) for column in COLUMNS])
    write_atomic(path, "\ufeff" + out.getvalue())


def read_csv(path: Path, items: Sequence[ItemRow], *, who: str, when: str) -> list[VerdictRow]:
    """What the file says that the items do not say yet. DataError naming every wrong line; nothing is half taken.

    A changed answer means `edited`, whatever the verdict's column says, unless it says `rejected`. Lines without a name
    or a time get `who` and `when`.
    """
    by_id, found, wrong = {item.id: item for item in items}, [], []
    for number, row in enumerate(_rows(path), 2):
        item = by_id.get(row["id"])
        verdict, answer = row["verdict"].strip().lower(), _plain(row["answer"]).strip()
        if item is None:
            wrong.append(f"line {number}: no item {row['id']!r}")
        elif verdict not in ("pending", "accepted", "edited", "rejected"):
            wrong.append(f"line {number}: verdict {row['verdict']!r}")
        elif not answer:
            wrong.append(f"line {number}: the answer is empty")
        elif said := _said(item, verdict, answer):
            name, time = _plain(row["who"]).strip() or who, row["when"].strip() or when
            found.append(VerdictRow(id=item.id, verdict=said, answer=answer, who=name, when=time))
    if wrong:
        shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise DataError(f"{path}: {shown}", "Nothing was taken; mend the lines and import again.")
    return found


def _said(
    item: ItemRow, verdict: str, answer: str
) -> Literal["pending", "accepted", "edited", "rejected"] | None:
    """The verdict as it stands in the file, or None where it is the item's already."""
    changed = answer != item.answer
    new: Verdict = "edited" if changed and verdict != "rejected" else verdict  # type: ignore[assignment]
    return None if new == item.verdict and not changed else new


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = [{k: v or "" for k, v in row.items() if k} for row in reader]
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist", "Write it with `mlubench data review DIR --export FILE`."
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read as CSV: {error}", "Save it as CSV in UTF-8."
        ) from None
    if missing := [c for c in ("id", "answer", "verdict") if c not in (reader.fieldnames or ())]:
        raise DataError(
            f"{path} lacks the column {', '.join(missing)}",
            f"Its columns are {', '.join(COLUMNS)}.",
        )
    return [{c: row.get(c, "") for c in COLUMNS} for row in rows]


def _safe(text: str) -> str:
    return "'" + text if text.startswith((*_FORMULA, "'")) else text


def _plain(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith((*_FORMULA, "'")) else text
