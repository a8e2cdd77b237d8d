"""The one progress bar of everything that takes long."""

from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mlubench.core import processes


def progress_bar(**options: Any) -> Progress:
    """A bar that only the leading process shows; it is gone when the work is done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, transient=True, **{"disable": not processes.leads(), **options})
