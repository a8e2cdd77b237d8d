"""What tests of audits share: the targets of the finished run, and the judge of what is told."""

import pytest

from mlubench.audits.targets import Targets, choose_targets
from mlubench.data.general import draw_general
from mlubench.data.strangers import Stranger
from mlubench.judging.harm import HarmJudge
from mlubench.runs.opening import open_run
from mlubench.types import AnswerRow, Benchmark
from support.runs import Finished


@pytest.fixture(scope="session")
def base_answers(finished: Finished) -> list[AnswerRow]:
    run = open_run(finished.folder)
    return [row for task in run.order for row in run.answers("base", task, "0")]


@pytest.fixture(scope="session")
def judge(base_answers: list[AnswerRow]) -> HarmJudge:
    return HarmJudge(base_answers)


@pytest.fixture(scope="session")
def targets(
    benchmark: Benchmark,
    base_answers: list[AnswerRow],
    judge: HarmJudge,
    tmp_path_factory: pytest.TempPathFactory,
) -> Targets:
    """Four of each kind, and of each general ability.

    The strangers are pictures of the benchmark, since what they show is never looked at.
    """
    strangers = []
    for sample in benchmark.task("B").retain[:4]:
        picture = benchmark.picture(sample)
        assert picture is not None
        strangers.append(Stranger(sample.entity, picture, sample.question))
    general = draw_general(tmp_path_factory.mktemp("general"), 4)
    return choose_targets(benchmark, base_answers, judge, strangers, 4, general)
