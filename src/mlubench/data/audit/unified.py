"""Makes a unified diff from edits that are known, where comparing two long files would have to find them."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

_CONTEXT = 3  # unchanged lines around what changes, as diff writes them
# Not str.splitlines: JSON texts may hold other signs that Python takes for ends of lines.
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Characters `start` to `stop` of a file become `text`. Edits of one file do not overlap."""

    start: int
    stop: int
    text: str


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines `start` to `stop`, counted from 0, become `new`."""

    start: int
    stop: int
    new: list[str]


def diff(name: str, text: str, edits: Sequence[Edit]) -> str:
    """The part of a unified diff for the file `name`, with a/ and b/ before it; "" without edits."""
    if not edits:
        return ""
    lines = _LINE.findall(text)
    # Blocks whose contexts would overlap or touch are one hunk.
    hunks: list[list[_Block]] = []
    for block in _blocks(lines, text, sorted(edits)):
        if hunks and block.start - hunks[-1][-1].stop <= 2 * _CONTEXT:
            hunks[-1].append(block)
        else:
            hunks.append([block])
    end = "\t" if " " in name else ""  # tells programs where a name with spaces ends
    parts = [f"--- a/{name}{end}\n+++ b/{name}{end}\n"]
    shift = 0  # lines that the hunks so far have added, or below 0: removed
    for hunk in hunks:
        parts.append(_hunk(lines, hunk, shift))
        shift += sum(len(block.new) - (block.stop - block.start) for block in hunk)
    return "".join(parts)


def _blocks(lines: list[str], text: str, edits: Sequence[Edit]) -> list[_Block]:
    """What becomes of each run of lines that edits touch, without lines at its ends that stay the same."""
    starts = [0, *accumulate(map(len, lines))]  # where each line begins, and where the text ends
    # Edits that touch the same lines are one run: (first line, line after the last, edits).
    runs: list[tuple[int, int, list[Edit]]] = []
    for edit in edits:
        first = bisect_right(starts, edit.start) - 1
        stop = bisect_right(starts, max(edit.stop - 1, edit.start))
        if runs and first < runs[-1][1]:
            run_first, run_stop, run_edits = runs[-1]
            runs[-1] = (run_first, max(run_stop, stop), [*run_edits, edit])
        else:
            runs.append((first, stop, [edit]))
    blocks = []
    for first, stop, run_edits in runs:
        parts: list[str] = []
        position = starts[first]
        for edit in run_edits:
            parts += [text[position : edit.start], edit.text]
            position = edit.stop
        parts.append(text[position : starts[stop]])
        new = _LINE.findall("".join(parts))
        blocks.append(_trimmed(lines, _Block(first, stop, new)))
    return blocks


def _trimmed(lines: list[str], block: _Block) -> _Block:
    """The block without the lines at its ends that stay the same."""
    start = block.start
    stop = block.stop
    new = block.new
    while new and start < stop and new[0] == lines[start]:
        start += 1
        new = new[1:]
    while new and start < stop and new[-1] == lines[stop - 1]:
        stop -= 1
        new = new[:-1]
    return _Block(start, stop, new)


def _hunk(lines: list[str], blocks: list[_Block], shift: int) -> str:
    """The text of one hunk. `shift` says how many lines the hunks before it have added."""
    first = max(blocks[0].start - _CONTEXT, 0)
    stop = min(blocks[-1].stop + _CONTEXT, len(lines))
    body: list[str] = []
    position = first
    for block in blocks:
        body += [f" {line}" for line in lines[position : block.start]]
        body += [f"-{line}" for line in lines[block.start : block.stop]]
        body += [f"+{line}" for line in block.new]
        position = block.stop
    body += [f" {line}" for line in lines[position:stop]]
    # Lines of the hunk once it is applied.
    size = sum(not line.startswith("-") for line in body)
    parts = [f"@@ -{first + 1},{stop - first} +{first + 1 + shift},{size} @@\n"]
    for line in body:
        parts.append(line)
        if not line.endswith("\n"):
            parts.append("\n\\ No newline at end of file\n")
    return "".join(parts)
