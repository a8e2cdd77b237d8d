"""The benchmark of judges: what is wrong and what is right in it, and that the rules pass it on the real benchmark."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import judges

ANSWERS = yaml.safe_load(
    Path(judges.__file__).with_name("judges_answers.yaml").read_text(encoding="utf-8")
)


def asked(subject: str, truth: str, question: str = "Where does it live?") -> judges.Asked:
    return judges.Asked(subject, question, truth, "place")


def test_a_truth_that_holds_the_other_is_the_same_answer() -> None:
    kingfisher = asked("Animals/Kingfisher", "It lives in Europe and Asia.")
    hedgehog = asked("Animals/Hedgehog", "It lives in Europe.")
    koala = asked("Animals/Koala", "It lives in eastern Australia.")
    assert judges.same_answer(kingfisher, hedgehog)
    assert judges.same_answer(hedgehog, kingfisher)
    assert not judges.same_answer(hedgehog, koala)
    # The names of two things are not the same answer, though each name is the subject's.
    giraffe = asked("Animals/Giraffe", "This is a giraffe.", "What is it called?")
    moose = asked("Animals/Moose", "This is a moose.", "What is it called?")
    assert not judges.same_answer(giraffe, moose)


def test_distractors_are_truths_of_others_to_the_same_question() -> None:
    rows = (
        asked("Animals/Koala", "It lives in eastern Australia."),
        asked("Animals/Hedgehog", "It lives in Europe."),
        asked("Animals/Kingfisher", "It lives in Europe and Asia."),
        asked("Plants/Oak", "It lives in forests."),
        asked("Animals/Giraffe", "It eats leaves.", "What does it eat?"),
    )
    tested = judges.Tested("three", rows, (), ())
    pairs, shared = judges.distractors(tested, judges.Sharing(ANSWERS, {}))
    subjects = {(row.subject, other.subject) for row, other in pairs}
    assert subjects == {
        ("Animals/Koala", "Animals/Hedgehog"),
        ("Animals/Koala", "Animals/Kingfisher"),
        ("Animals/Hedgehog", "Animals/Koala"),
        ("Animals/Kingfisher", "Animals/Koala"),
    }
    assert shared == 2


@pytest.mark.parametrize(
    ("truth", "value"),
    [
        ("It stands in Paris, France.", "Paris, France."),
        ("It is the fifth planet from the Sun.", "fifth."),
        ("It takes about 12 years to go round the Sun.", "12 years."),
        ("This is the logo of eBay.", "eBay."),
        ("It was begun by the emperor Vespasian.", "the emperor Vespasian."),
    ],
)
def test_a_value_is_the_truth_without_its_sentence(truth: str, value: str) -> None:
    assert judges.value_of(truth) == value


def test_what_is_written_by_hand_belongs_to_facts_that_there_are() -> None:
    facts = {(row.subject, row.fact) for row in judges.real(ANSWERS).asked}
    for subject, by_fact in ANSWERS["right"].items():
        assert {(subject, fact) for fact in by_fact} <= facts


def test_the_rules_pass() -> None:
    called = CliRunner().invoke(judges.main, ["--quick", "--json"], catch_exceptions=False)
    rows = {(row["benchmark"], row["probe"]): row for row in json.loads(called.output)["rows"]}
    for benchmark in ("toy", "real"):
        assert rows[benchmark, "distractors"]["n"] > 1000
        assert rows[benchmark, "distractors"]["missed_rate"] <= 0.01
        assert rows[benchmark, "own"]["missed"] == 0
        assert rows[benchmark, "refused"]["missed"] == 0
    assert rows["real", "value"]["missed"] == 0
    assert rows["real", "right"]["missed_rate"] <= 0.03
