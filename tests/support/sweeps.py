"""Small sweeps, and what a finished run of one leaves."""

from pathlib import Path

from mlubench.core.files import write_json
from mlubench.settings.loading import dump
from mlubench.studies.sweep.grid import SweepFile, SweepRun, expand


def runs_of(grid: dict, out: Path = Path("out"), **more: object) -> list[SweepRun]:
    return expand(SweepFile(preset="smoke", grid=grid, **more), out)


def finish(run: SweepRun) -> None:
    """What a finished run leaves."""
    write_json(run.folder / "run.json", {"finished": "2026-01-01T00:00:00+00:00"})
    write_json(run.folder / "results.json", {})
    (run.folder / "config.yaml").write_text(dump(run.config))
