"""Seeds become one: means that can be worked out by hand, and nothing of one seed alone."""

from pathlib import Path

import pytest

from mlubench.report.liveness import dead_archives
from mlubench.report.score_table import score_table
from mlubench.studies.claims.groups import load_groups
from mlubench.studies.pooled import pooled
from support.seed_runs import falling, steady, write_run


def test_scores_are_means_over_seeds(tmp_path: Path) -> None:
    runs = []
    for seed, last in enumerate((0.2, 0.4, 0.9)):
        levels = {"ga": falling(0.9, last), "lumoe": steady(0.95)}
        runs.append(write_run(tmp_path / str(seed), levels, seed=seed))
    (group,) = load_groups(runs)
    (setting,) = group.variants
    found = pooled(group, setting, resamples=200)
    cells = found.results.scores("rules", "utility")
    assert cells["ga", "A", "A"].score == pytest.approx(0.9)
    assert cells["ga", "A", "B"].score == pytest.approx(0.5)
    # All entities score alike, so only the seeds differ.
    assert cells["ga", "A", "B"].ci95 == (0.2, 0.9)
    assert cells["ga", "A", "B"].n == 3 * 16
    assert found.finals["ga", "utility"].value == pytest.approx(0.5)
    assert found.results.base_scores("rules", "utility")["A"].score == 1
    assert dead_archives(found.results, "rules") == set()
    rows = score_table(found.results, "rules", "utility").rows
    assert [row.label for row in rows] == ["Base", "GA", "LUMoE"]
    assert all(shown.best for shown in rows[-1].scores)
