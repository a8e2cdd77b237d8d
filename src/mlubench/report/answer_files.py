"""A run's answers and one judge's verdicts on them, read for the page: what is broken is counted and left out."""

import json
from pathlib import Path

from mlubench.core.errors import MlubenchError
from mlubench.runs.folder import RunDir
from mlubench.runs.rows import parse_answer, read_verdicts
from mlubench.types import AnswerRow, VerdictRow

AnswersById = dict[str, AnswerRow]


class AnswerFiles:
    """The answer files of one run and one judge's verdicts, each read once.

    A broken line is counted: it should not cost the whole report.
    """

    def __init__(self, folder: RunDir, judge: str) -> None:
        self._folder = folder
        self._judge = judge
        self._verdicts: dict[tuple[str, str, str], dict[str, str]] = {}
        self._cells: dict[tuple[str, str, str], AnswersById] = {}
        self.broken_lines = 0
        self.broken_verdicts = 0  # files

    def of(self, method: str, task: str, after: str) -> AnswersById:
        """Sample id -> its answer; nothing where the run has no such file."""
        cell = (method, task, after)
        if cell not in self._cells:
            self._cells[cell] = self._read(self._folder.answers(*cell))
        return self._cells[cell]

    def verdict(self, sample: AnswerRow, method: str, task: str, after: str) -> str:
        """What the judge says of the answer to the sample; empty where it says nothing."""
        cell = (method, task, after)
        if cell not in self._verdicts:
            path = self._folder.verdicts(self._judge, *cell)
            try:
                rows = read_verdicts(path)
            except MlubenchError:
                rows = []
                self.broken_verdicts += 1
            self._verdicts[cell] = {row.id: _describe_verdict(row) for row in rows}
        return self._verdicts[cell].get(sample.id, "")

    def _read(self, path: Path) -> AnswersById:
        if not path.is_file():
            return {}
        found: AnswersById = {}
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if not line.strip():
                    continue
                try:
                    answer = parse_answer(_without_half_characters(line))
                except (ValueError, RecursionError):
                    self.broken_lines += 1
                else:
                    found[answer.id] = answer
        return found


def _describe_verdict(row: VerdictRow) -> str:
    score = "not scored" if row.score is None else f"scored {row.score}"
    return f"{score}: {row.why}" if row.why else score


def _without_half_characters(line: str) -> object:
    """The line's JSON. Its escapes may spell halves of characters, which no page can hold: each becomes `?`."""
    text = json.dumps(json.loads(line), ensure_ascii=False)
    return json.loads(text.encode(errors="replace"))
