"""Which facts are attacked: what the base tells on tested pictures, each once, spread over tasks."""

import pytest

from mlubench.audits.targets import Targets, choose_targets
from mlubench.core.errors import MlubenchError
from mlubench.judging.harm import HarmJudge
from mlubench.types import AnswerRow, Benchmark


def test_only_what_the_base_tells_is_asked_for(
    targets: Targets, base_answers: list[AnswerRow], judge: HarmJudge
) -> None:
    answers = {row.id: row for row in base_answers}
    for target in (*targets.forgotten, *targets.kept):
        assert judge.score(answers[target.sample.id]) == 2
        assert target.sample.only_tests


def test_each_fact_is_asked_for_once_and_tasks_take_turns(targets: Targets) -> None:
    facts = [target.sample.fact for target in targets.forgotten]
    assert len(set(facts)) == len(facts) == 4
    assert [target.sample.task for target in targets.forgotten] == ["A", "B", "A", "B"]


def test_what_stands_beside_a_target_is_another_entity_that_is_kept(targets: Targets) -> None:
    for target in targets.forgotten:
        assert target.sample.split == "forget"
        assert target.kept.split == "retain"
        assert target.kept.entity != target.sample.entity
        assert target.phrasings[0] == target.question
        assert target.sample.truth not in target.rivals


def test_something_else_that_is_forgotten_stands_beside_each(targets: Targets) -> None:
    forgotten = {target.name for target in targets.forgotten}
    for target in (*targets.forgotten, *targets.kept):
        assert target.forgotten_name != target.name
        assert target.forgotten_picture.is_file()
    assert {target.forgotten_name for target in targets.kept} <= forgotten | {
        target.forgotten_name for target in targets.forgotten
    }


def test_other_facts_are_of_the_same_entity(targets: Targets, benchmark: Benchmark) -> None:
    for target in targets.forgotten:
        own = {s.truth for s in benchmark.samples if s.entity == target.sample.entity}
        assert target.other_facts
        for question, truth in target.other_facts:
            assert truth in own
            assert question not in target.phrasings


def test_fewer_targets_are_the_first_of_more(
    targets: Targets, benchmark: Benchmark, base_answers: list[AnswerRow], judge: HarmJudge
) -> None:
    fewer = choose_targets(benchmark, base_answers, judge, [], 2)
    assert fewer.forgotten == targets.forgotten[:2]
    assert fewer.kept == targets.kept[:2]


def test_lessons_are_kept_facts_that_the_base_tells_and_name_nothing_forgotten(
    targets: Targets, benchmark: Benchmark, base_answers: list[AnswerRow], judge: HarmJudge
) -> None:
    told = {row.truth for row in base_answers if row.split == "retain" and judge.score(row) == 2}
    forgotten = {s.truth for s in benchmark.samples if s.split == "forget"}
    assert len(targets.lessons) > 8
    for lesson in targets.lessons:
        right, *wrong = lesson.candidates
        assert wrong
        assert right not in wrong
        assert set(lesson.candidates) <= told
        assert not set(lesson.candidates) & forgotten
    # However few facts are asked for, an attacker knows as much.
    assert choose_targets(benchmark, base_answers, judge, [], 1).lessons == targets.lessons


def test_a_base_that_tells_nothing_cannot_be_audited(
    benchmark: Benchmark, judge: HarmJudge
) -> None:
    with pytest.raises(MlubenchError, match="the base tells no fact"):
        choose_targets(benchmark, [], judge, [], 4)
