"""Five phrasings that mean the same, none that names what the picture shows, in the package's sets too."""

import pytest

from mlubench.authoring.questions.checks import check_questions
from mlubench.authoring.questions.sets import official_sets
from mlubench.authoring.rows import EntityRow, QuestionRow
from mlubench.core.errors import DataError

OFFICIAL = {
    "Animals",
    "Astronomy",
    "Buildings",
    "Cartoon",
    "Corporation",
    "Movies",
    "Personage",
    "Plants",
    "TV series",
}
SETS = official_sets()
DIET = QuestionRow(id="diet", cls="Animals", phrasings=SETS["Animals"].questions["diet"].phrasings)


def all_rows() -> list[QuestionRow]:
    return [
        QuestionRow(id=id_, cls=cls, phrasings=one.phrasings)
        for cls, known in SETS.items()
        for id_, one in known.questions.items()
    ]


def with_first(text: str) -> QuestionRow:
    return DIET.model_copy(update={"phrasings": [text, *DIET.phrasings[1:]]})


def test_the_nine_classes_have_right_sets_of_five_questions_or_more() -> None:
    assert set(SETS) == OFFICIAL
    assert min(len(known.questions) for known in SETS.values()) >= 5
    check_questions(all_rows(), [], SETS)
    assert all(
        "{fact}" in (one.sentence or "")
        for known in SETS.values()
        for one in known.questions.values()
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (with_first(DIET.phrasings[1].upper()), "'Animals/diet' has a phrasing twice"),
        (with_first("What does this one eat?"), "says none of animal, creature"),
        (with_first("Where does this animal live?"), "asks with none of eat, food"),
        (with_first("What does this animal, a MÄRTEN-Grey, eat?"), "names 'Animals/Märten_Grey'"),
        (with_first("What food does this animal, old Gus, want?"), "names 'Animals/Märten_Grey'"),
        (with_first("<image> What does this animal eat?"), "holds <image>"),
        (with_first("What does this animal\neat?"), "of several lines"),
        (with_first("   "), "is empty"),
        (DIET.model_copy(update={"cls": "Beasts"}), "unknown class 'Beasts'"),
    ],
)
def test_wrong_phrasings_are_told(row: QuestionRow, message: str) -> None:
    people = [
        EntityRow(key="Animals/Märten_Grey", cls="Animals", name="Märten Grey", aliases=["gus"])
    ]
    with pytest.raises(DataError) as error:
        check_questions([row], people, SETS)
    assert message in str(error.value)


def test_a_name_counts_in_its_own_class_and_as_whole_words() -> None:
    people = [
        EntityRow(key="Movies/Food", cls="Movies", name="Food"),
        EntityRow(key="Animals/Ea", cls="Animals", name="Ea"),
    ]
    check_questions([DIET], people, SETS)


def test_a_phrasing_of_another_question_is_found() -> None:
    other = QuestionRow(
        id="more",
        cls="Animals",
        phrasings=[f"More {t}" for t in DIET.phrasings[:4]] + [DIET.phrasings[2]],
    )
    with pytest.raises(DataError, match="'Animals/more' asks as 'diet' does"):
        check_questions([DIET, other], [], SETS)
