"""A sheet of sampled answers for a person to score, blind to method and archive, and what that person said."""

import csv
import io
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import zip_longest
from pathlib import Path

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import digest, write_atomic
from mlubench.runs.folder import REFERENCES, AnswerFile, RunDir
from mlubench.runs.rows import read_answers
from mlubench.types import AnswerRow, Question

LABELS = ("", "0", "1", "2", "skip")
# The upper bound repeats LUMoE's experts, and references the base: their answers are no further evidence.
NO_EVIDENCE = ("lumoe+oracle", *REFERENCES)


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a sheet."""

    item: str  # a hash of what is shown, so it tells nothing of who answered
    metric: str
    subject: str
    question: str
    truth: str
    response: str
    label: str = ""  # one of LABELS


COLUMNS = tuple(field.name for field in fields(Item))


def item_of(question: Question) -> str:
    """The name of what a judge is shown: the same answer to the same question is judged once."""
    return digest(asdict(question), 12)


def answered(run: RunDir) -> Iterable[tuple[AnswerFile, list[AnswerRow]]]:
    """Every cell of the run that counts as evidence, with its answers."""
    for file in run.answer_files():
        if file.method not in NO_EVIDENCE:
            yield file, read_answers(file.path)


def sample_items(run: RunDir, n: int, *, seed: int) -> list[Item]:
    """`n` different answers in random order, dealt in turn from every method and metric. The same for the same seed."""
    # (method, metric) -> its different answers by item
    pools: dict[tuple[str, str], dict[str, Item]] = defaultdict(dict)
    for file, rows in answered(run):
        for row in rows:
            question = row.to_judge()
            item = Item(item_of(question), **asdict(question))
            pools[file.method, question.metric][item.item] = item
    rng = random.Random(seed)
    # Pools in the order of their names, so that the seed alone decides.
    shuffled = []
    for _, pool in sorted(pools.items()):
        shuffled.append(rng.sample(list(pool.values()), len(pool)))
    # One of each pool in turn. An answer that several methods gave is dealt once.
    dealt: dict[str, Item] = {}
    for hand in zip_longest(*shuffled):
        dealt.update((item.item, item) for item in hand if item is not None)
    chosen = list(dealt.values())[:n]
    if not chosen:
        raise MlubenchError(
            f"{run.root} holds no answers yet", "Label it when the run has tested something."
        )
    # Otherwise the order of the methods would tell who answered.
    rng.shuffle(chosen)
    return chosen


def write_sheet(path: Path, items: Iterable[Item]) -> None:
    """Replace the sheet in one step, as CSV that spreadsheets open."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(asdict(item) for item in items)
    write_atomic(path, text.getvalue())


def read_sheet(path: Path) -> list[Item]:
    """The lines of a sheet. UsageError where it is none, or a label is not one of 0, 1, 2, skip or nothing."""
    if not path.is_file():
        raise UsageError(
            f"{path} is not a file", "Write one with `mlubench judge label RUN --out FILE.csv`."
        )
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"{path} is no CSV in UTF-8: {error}", "Save the sheet as CSV, UTF-8."
        ) from None
    # Row 1 of a spreadsheet is the head.
    return [_read_item(path, number, row) for number, row in enumerate(rows, 2)]


def _read_item(path: Path, number: int, row: Mapping[str, str | None]) -> Item:
    values: dict[str, str] = {}
    lacking = []
    for name in COLUMNS:
        value = row.get(name)
        if value is None:
            lacking.append(name)
        else:
            values[name] = value
    if lacking:
        raise UsageError(
            f"{path}, row {number} lacks {', '.join(lacking)}", f"Columns: {', '.join(COLUMNS)}."
        )
    item = Item(**values)
    label = item.label.strip().lower()
    if label not in LABELS:
        raise UsageError(
            f"{path}, row {number}: label {item.label!r}", "Give 0, 1, 2, skip, or leave it empty."
        )
    return replace(item, label=label)


def label_items(
    items: list[Item], ask: Callable[[Item, int], str], save: Callable[[list[Item]], None]
) -> list[Item]:
    """Ask for each label that is missing, and save after every answer.

    `ask` shows one item with its place and returns 0, 1, 2, s (skip), b (back to the one before) or q (stop for now).
    """
    items = list(items)
    index = 0
    going_back = False  # whether the item here is asked again although it has a label
    while index < len(items):
        if items[index].label and not going_back:
            index += 1
            continue
        going_back = False
        key = ask(items[index], index)
        if key == "q":
            break
        if key == "b":
            index = max(index - 1, 0)
            going_back = True
            continue
        items[index] = replace(items[index], label="skip" if key == "s" else key)
        save(items)
        index += 1
    return items


def labels_of(items: Iterable[Item]) -> dict[str, int]:
    """Item -> the score that a person gave; skipped and unlabelled ones are left out."""
    return {item.item: int(item.label) for item in items if item.label in ("0", "1", "2")}
