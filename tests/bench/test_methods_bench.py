"""Methods set beside one another after a finished run."""

from statistics import fmean

import pytest

from methods import Row, as_markdown, rows_of
from mlubench.runs.opening import open_run
from support.runs import Finished


def test_each_method_of_a_run_has_its_figures(finished: Finished) -> None:
    run = open_run(finished.folder)
    rows = {row.method: row for row in rows_of([finished.folder])}
    assert list(rows) == run.config.methods
    last = run.order[-1]
    for name, row in rows.items():
        for metric, shown in (("forget_quality", row.forget_quality), ("utility", row.utility)):
            scores = [
                cell.score
                for cell in run.results().cells
                if (cell.method, cell.after, cell.metric) == (name, last, metric)
            ]
            assert shown == pytest.approx(fmean(scores), abs=1e-3)
        assert 0 <= row.known <= 1
    # What LUMoE refuses it does not tell.
    assert rows["lumoe"].known < 0.5


def test_a_figure_that_is_not_there_is_left_empty() -> None:
    row = Row("ga", 0.25, None, 1.0, None, 0.5)
    assert as_markdown([row]).splitlines()[-1] == "| `ga` | 0.25 |  | 1.00 |  | 0.50 |"
