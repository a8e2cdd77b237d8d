"""Writes what can be fixed by a rule as a unified diff that a person reads and applies; no data file is changed here."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlubench.data.audit.facts import Finding
from mlubench.data.audit.kinds import FaultKind
from mlubench.data.audit.unified import Edit, diff
from mlubench.data.records import parse
from mlubench.data.release import load_list, split_files, task_folders, task_name

# A string of JSON with its quotation marks.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_ROUNDS = 5  # of mending, since one fault may hide another


@dataclass(frozen=True, slots=True)
class Patch:
    """The diff ("" where there is nothing to fix) and how many records it rewrites and removes."""

    text: str
    rewritten: int
    removed: int


def make_patch(root: Path, table: Mapping[str, FaultKind], findings: Iterable[Finding]) -> Patch:
    """What `patch -p1` or `git apply` in `root` takes to fix the findings of the table's kinds that have a fix.

    A record goes where a kind says so, unless no record of its file would stay; else its texts are mended.
    """
    # (task, split) -> the records of that file that go.
    drop: dict[tuple[str, str], set[int]] = defaultdict(set)
    for finding in findings:
        if table[finding.kind].drop:
            for place in finding.places:
                drop[place.task, place.split].add(place.index)
    diffs: list[str] = []
    rewritten = 0
    removed = 0
    for folder in task_folders(root):
        for split, path in split_files(folder).items():
            raws = load_list(path)
            gone = drop[task_name(folder, root), split]
            if len(gone) >= len(raws):
                gone = set()
            changes: dict[int, tuple[str, str]] = {}
            for index, raw in enumerate(raws):
                if index in gone:
                    continue
                mended = _mended(raw, table)
                if mended is not None:
                    changes[index] = mended
            text = path.read_bytes().decode("utf-8")
            edits = [*_rewrites(text, changes), *_removals(text, gone, len(raws))]
            diffs.append(diff(path.relative_to(root).as_posix(), text, edits))
            rewritten += len(changes)
            removed += len(gone)
    return Patch("".join(diffs), rewritten, removed)


def _mended(raw: dict[str, Any], table: Mapping[str, FaultKind]) -> tuple[str, str] | None:
    """The two turns' new values, or None where nothing changes or a text would be left empty."""
    record = parse(raw)
    question = record.question
    truth = record.truth
    for _ in range(_ROUNDS):
        before = (question, truth)
        for kind in table.values():
            if not kind.mend:
                continue
            truth = kind.mend(truth)
            if kind.both:
                question = kind.mend(question)
        if (question, truth) == before:
            break
    if not question.strip() or not truth.strip():
        return None
    # Put back into what stands around them: the marker, and spaces that `parse` takes away.
    human, gpt = (turn["value"] for turn in raw["conversations"])
    # A question with the marker in its midst does not stand there as one text, and stays.
    new = (human.replace(record.question, question), gpt.replace(record.truth, truth))
    return new if new != (human, gpt) else None


def _rewrites(text: str, changes: Mapping[int, tuple[str, str]]) -> list[Edit]:
    """Edits of the string literals alone, so that every other byte of the file stays."""
    if not changes:
        return []
    literals = list(_STRING.finditer(text))
    # The same file with each string replaced by its number says where in the text each value stands. Objects are read
    # as lists of pairs, since their keys are numbers too and no dictionary could be asked for "value".
    numbers = iter(range(len(literals)))
    numbered = _STRING.sub(lambda _: f'"{next(numbers)}"', text).lstrip("\ufeff")
    shape = json.loads(numbered, object_pairs_hook=list)

    def value(pairs: list[tuple[str, Any]], key: str) -> Any:
        # Of a key that comes twice the last counts, as for every reader of JSON.
        for number, found in reversed(pairs):
            if json.loads(literals[int(number)].group()) == key:
                return found
        raise KeyError(key)

    edits = []
    for index, new in changes.items():
        for turn, better in zip(value(shape[index], "conversations"), new, strict=True):
            literal = literals[int(value(turn, "value"))]
            if json.loads(literal.group()) != better:
                # Written as the file writes it: escaped, or in letters of its own.
                written = json.dumps(better, ensure_ascii=literal.group().isascii())
                edits.append(Edit(literal.start(), literal.end(), written))
    return edits


def _removals(text: str, gone: set[int], count: int) -> list[Edit]:
    """Edits that take records and their commas out of the file's list."""
    if not gone:
        return []
    decoder = json.JSONDecoder()
    spans: list[tuple[int, int]] = []  # where each record's object begins and ends
    end = text.index("[")
    for _ in range(count):
        start = text.index("{", end)
        _, end = decoder.raw_decode(text, start)
        spans.append((start, end))
    last = max(set(range(count)) - gone)
    edits: list[Edit] = []
    for index in gone:
        if index < last:
            # Up to the next record, so that the comma between them goes too.
            edits.append(Edit(spans[index][0], spans[index + 1][0], ""))
    if last < count - 1:
        # What follows the last one that stays goes from its end, with the comma.
        edits.append(Edit(spans[last][1], spans[-1][1], ""))
    return edits
