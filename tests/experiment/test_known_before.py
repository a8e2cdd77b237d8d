"""A fact was known before where the untouched model tells it by name, and the name itself does not."""

from pathlib import Path

from mlubench.core.files import write_json
from mlubench.experiment.known_before import judge_named
from mlubench.runs.folder import RunDir
from mlubench.runs.named import NamedAnswer, facts_known_before

TOWER = "Buildings/Eiffel_Tower"


def answer(fact: str, question: str, truth: str, response: str) -> NamedAnswer:
    return NamedAnswer(fact=fact, entity=TOWER, question=question, truth=truth, response=response)


ANSWERS = [
    answer("place", "Where is it?", "It stands in Paris, France.", "It stands in Paris, France."),
    answer("year", "When was it done?", "It was completed in 1889.", "It was completed in 1915."),
    answer("name", "What is it called?", "It is the Eiffel Tower.", "It is the Eiffel Tower."),
]


def test_each_fact_is_marked_by_what_was_said() -> None:
    assert [row.known for row in judge_named(ANSWERS)] == ["yes", "no", "told by the question"]


def test_what_the_question_tells_is_in_no_part(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert facts_known_before(run) == {}  # as of an older run
    write_json(run.known_before, [row.model_dump() for row in judge_named(ANSWERS)])
    assert facts_known_before(run) == {"place": "yes", "year": "no"}
