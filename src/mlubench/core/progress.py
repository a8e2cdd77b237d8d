"""Progress of everything that takes long: a bar where somebody watches, plain lines now and then where nobody does.

Both go to stderr, so that stdout holds results alone.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from mlubench.core import processes
from mlubench.core.console import plain_console

# A line is written when so many seconds have passed since the last one of the same task and a tenth more is done.
SECONDS_BETWEEN_LINES = 10.0
SHARE_BETWEEN_LINES = 0.1
# Slow work is heard of at least this often, however little of it is done.
SECONDS_OF_SILENCE = 60.0


def progress_bar(*, disable: bool = False, clock: Callable[[], float] = monotonic) -> Progress:
    """The progress of this process: silent unless it leads, plain lines where stderr is no terminal.

    `clock` gives seconds.
    """
    disable = disable or not processes.leads()
    if not sys.stderr.isatty():
        return _PlainLines(silent=disable, clock=clock)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=plain_console(stderr=True, fold=True),
        transient=True,  # the bar goes away when the work is done
        disable=disable,
        get_time=clock,
    )


@dataclass
class _LastLine:
    """When a task was last written of, and how much of it was done then."""

    seconds: float
    completed: float


class _PlainLines(Progress):
    """The same calls as a bar; what they change is written as a whole line, if the last one is old enough.

    Work of less than ten seconds writes nothing.
    """

    def __init__(self, *, silent: bool, clock: Callable[[], float]) -> None:
        # `disable` alone leaves rich's own display out; it would print an empty line for each bar.
        super().__init__(disable=True, auto_refresh=False, get_time=clock)
        self._silent = silent
        self._last: dict[TaskID, _LastLine] = {}

    def add_task(self, description: str, *args: Any, **options: Any) -> TaskID:
        task_id = super().add_task(description, *args, **options)
        self._last[task_id] = _LastLine(self.get_time(), self.tasks[-1].completed)
        return task_id

    def update(self, task_id: TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        self._write_if_due(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._write_if_due(task_id)

    def _write_if_due(self, task_id: TaskID) -> None:
        if self._silent:
            return
        task = self._tasks[task_id]
        last = self._last[task_id]
        seconds = self.get_time() - last.seconds
        done_since = task.completed - last.completed
        much_is_new = bool(task.total) and done_since >= SHARE_BETWEEN_LINES * (task.total or 0)
        if seconds < SECONDS_BETWEEN_LINES:
            return
        if not much_is_new and seconds < SECONDS_OF_SILENCE:
            return
        of_total = f"/{task.total:,.0f}" if task.total else ""
        # One write a line, so that lines of several processes do not mix.
        sys.stderr.write(f"{task.description}: {task.completed:,.0f}{of_total}\n")
        sys.stderr.flush()
        self._last[task_id] = _LastLine(self.get_time(), task.completed)
