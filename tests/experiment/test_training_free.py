"""The training-free reference: the base's own words or one sentence, and how long a request took to take effect."""

from collections.abc import Callable
from shutil import copytree

import pytest

from mlubench.core.reading import read_json
from mlubench.experiment.context import Context
from mlubench.experiment.training_free import write_training_free
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL
from mlubench.runs.folder import TRAINING_FREE, RunDir
from mlubench.runs.results import TakenInRow
from mlubench.runs.rows import read_answers
from support.runs import Finished

CELLS = [("A", "A"), ("A", "B"), ("B", "B")]


@pytest.fixture(scope="module")
def run(
    finished: Finished,
    context: Callable[..., Context],
    tmp_path_factory: pytest.TempPathFactory,
) -> RunDir:
    folder = copytree(finished.folder, tmp_path_factory.mktemp("training-free") / "run")
    ctx = context(folder)
    write_training_free(ctx)
    return ctx.run


def test_it_says_one_sentence_for_what_its_gate_stops_and_the_bases_words_elsewhere(
    run: RunDir,
) -> None:
    stopped = 0
    for task, after in CELLS:
        base = {row.id: row for row in read_answers(run.answers("base", task, "0"))}
        rows = read_answers(run.answers(TRAINING_FREE, task, after))
        assert {row.id for row in rows} == set(base)
        for row in rows:
            assert row.route is not None
            expected = GATE_REFUSAL if row.route.experts else base[row.id].response
            assert row.response == expected
            stopped += bool(row.route.experts)
    assert stopped > 20


def test_it_says_how_long_each_task_took_to_take_in(run: RunDir) -> None:
    rows = read_json(run.taken_in(TRAINING_FREE), list[TakenInRow])
    assert [row.task for row in rows] == ["A", "B"]
    for row in rows:
        assert 0 < row.seconds < 60
        assert row.examples > row.requests > 0
        assert row.stated_miss_rate is not None
        # Of several examples each.
        assert 0 < row.stated_miss_rate < 0.5


def test_what_is_there_stays(run: RunDir, context: Callable[..., Context]) -> None:
    gone, *others = [run.answers(TRAINING_FREE, *cell) for cell in CELLS]
    first = gone.read_text()
    times = {path: path.stat().st_mtime_ns for path in (*others, run.taken_in(TRAINING_FREE))}
    gone.unlink()
    write_training_free(context(run.root))
    assert gone.read_text() == first
    assert {path: path.stat().st_mtime_ns for path in times} == times
