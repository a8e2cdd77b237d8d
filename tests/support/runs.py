"""Whole runs for the tests: one finished smoke run that all share, and commands called as a user calls them."""

import io
from collections import defaultdict
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlubench.cli.main import main
from mlubench.core.files import write_json
from mlubench.core.reading import read_json

PRESET = ("smoke", "-s", "device=cpu")
KEY = ("judge", "method", "task", "after", "metric")
# What reports on gates say since there is a second look.
HARM_KEYS = (
    "second_look",
    "harm_rate",
    "harm_rate_ci95",
    "harm_rate_n",
    "draft_harm_rate",
    "lost_rate",
    "lost_rate_ci95",
    "lost_rate_n",
    "draft_lost_rate",
    "held_back",
)


@dataclass(frozen=True, slots=True)
class Called:
    """What a command gave back."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of an error. Fails where there is more than that, or a traceback."""
        assert "Traceback" not in self.err
        (line,) = self.err.strip().splitlines()
        assert line.startswith("mlubench: error: ")
        return line


def call(*words: object) -> Called:
    """`mlubench WORDS`, in this process."""
    streams = [
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)
    ]
    code: Any = 0
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        try:
            main([str(w) for w in words])
        except SystemExit as stop:
            code = stop.code
    texts = [s.buffer.getvalue().decode() for s in streams]  # type: ignore[attr-defined]
    return Called(int(code or 0), *texts)


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished run, which no test may change: copy the folder first."""

    folder: Path
    called: Called
    results: dict[str, Any]


def make_finished_run(folder: Path) -> None:
    """Run the smoke preset as it is to its end, by the command, and keep beside it what the command said."""
    called = call("run", *PRESET, "--out", folder / "run")
    assert called.code == 0, called.err
    write_json(folder / "called.json", asdict(called))


def read_finished_run(folder: Path) -> Finished:
    """What `make_finished_run` left there."""
    run = folder / "run"
    called = Called(**read_json(folder / "called.json", dict))
    return Finished(run, called, read_json(run / "results.json", dict))


def scores(cells: Iterable[dict[str, Any]]) -> dict[tuple[str, ...], Any]:
    """Everything measured in a cell, by what the cell is."""
    return {tuple(c[k] for k in KEY): (c["score"], c["ci95"], c["n"], c["unscored"]) for c in cells}


def level(
    cells: Iterable[dict[str, Any]], method: str, metric: str
) -> dict[tuple[str, str], float]:
    """(task, after) -> score of one method and metric."""
    return {
        (c["task"], c["after"]): c["score"]
        for c in cells
        if (c["method"], c["metric"]) == (method, metric)
    }


def grouped(
    rows: Iterable[dict[str, Any]], *keys: str
) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    found: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[tuple(row[k] for k in keys)].append(row)
    return found
