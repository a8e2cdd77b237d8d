"""Which pictures each task brings: those of its entities that no task before it has, and never one that is tested on."""

from dataclasses import replace

from mlubench.lumoe.gates.task_pictures import new_in_each
from mlubench.types import Benchmark


def test_a_task_brings_the_pictures_of_its_own_entities(benchmark: Benchmark) -> None:
    for task, forget, retain in new_in_each(benchmark.tasks):
        assert list(forget) == [entity.key for entity in task.forget_entities]
        assert set(retain) == {sample.entity.key for sample in task.retain}
        for samples in (*forget.values(), *retain.values()):
            images = [sample.image for sample in samples]
            assert len(images) == len(set(images))
            assert not any(sample.role == "test" for sample in samples)


def test_what_was_kept_and_has_to_go_is_kept_no_more(benchmark: Benchmark) -> None:
    first, second = benchmark.tasks
    goes = tuple(replace(sample, task="B", split="forget") for sample in first.retain)
    tasks = (first, replace(second, forget=second.forget + goes))
    (_, _, kept), (_, forget, _) = new_in_each(tasks)
    gone = {sample.entity.key for sample in goes}
    assert not kept.keys() & gone
    assert gone <= forget.keys()


def test_an_entity_of_two_tasks_comes_with_the_first(benchmark: Benchmark) -> None:
    first, second = benchmark.tasks
    again = replace(second, forget=second.forget + first.forget)
    (_, forget, _), (_, later, _) = new_in_each((first, again))
    assert list(forget) == [entity.key for entity in first.forget_entities]
    assert list(later) == [entity.key for entity in second.forget_entities]
