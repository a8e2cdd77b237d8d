"""The general-ability set: what each drawn picture shows is what its truth says, by its pixels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import label

from mlubench.data.general import _COLOURS, ABILITIES, GeneralQuestion, draw_general
from mlubench.data.pictures import open_picture

COUNT = 12


@dataclass(frozen=True)
class Seen:
    """A shape that is found in a picture: its middle in pixels."""

    shape: str
    row: float
    column: float
    colour: tuple[int, ...]


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> list[GeneralQuestion]:
    return draw_general(tmp_path_factory.mktemp("general"), COUNT)


def of(questions: list[GeneralQuestion], ability: str) -> list[GeneralQuestion]:
    return [question for question in questions if question.ability == ability]


def pixels(question: GeneralQuestion) -> NDArray[np.uint8]:
    return np.asarray(open_picture(question.picture))


def shapes(picture: NDArray[np.uint8]) -> list[Seen]:
    """What stands apart from the white ground."""
    areas, count = label((picture != 255).any(axis=2))
    found = []
    for area in range(1, count + 1):
        rows, columns = np.nonzero(areas == area)
        middle = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
        shape = _shape(len(rows), int(np.ptp(rows) + 1) * int(np.ptp(columns) + 1))
        # Nothing is shaded.
        colour = tuple(picture[rows[0], columns[0]].tolist())
        found.append(Seen(shape, *middle, colour))
    return found


def _shape(area: int, box: int) -> str:
    """A square fills its box, a circle pi quarters of it, a triangle a half."""
    if area > 0.95 * box:
        return "square"
    return "circle" if area > 0.65 * box else "triangle"


def test_there_are_so_many_things_as_the_truth_says(questions: list[GeneralQuestion]) -> None:
    for question in of(questions, "counting"):
        seen = shapes(pixels(question))
        assert str(len(seen)) == question.truth
        for thing in seen:
            assert f"How many {thing.shape}s" in question.question


def test_the_shape_that_is_asked_about_has_the_colour(questions: list[GeneralQuestion]) -> None:
    for question in of(questions, "colours"):
        seen = shapes(pixels(question))
        assert len(seen) == 2
        (asked,) = [thing for thing in seen if f"the {thing.shape} " in question.question]
        assert asked.colour == _COLOURS[question.truth]


def test_the_first_shape_stands_where_the_truth_says(questions: list[GeneralQuestion]) -> None:
    for question in of(questions, "positions"):
        by_shape = {thing.shape: thing for thing in shapes(pixels(question))}
        words = question.question.replace(",", " ").replace("?", " ").split()
        first, second = [by_shape[word] for word in words if word in by_shape]
        across, down = first.column - second.column, first.row - second.row
        if abs(across) > abs(down):
            assert question.truth == ("right" if across > 0 else "left")
        else:
            assert question.truth == ("below" if down > 0 else "above")


def test_a_word_is_drawn_whole(questions: list[GeneralQuestion]) -> None:
    for question in of(questions, "reading"):
        dark = (pixels(question) < 128).any(axis=2)
        assert dark.sum() > 1000
        edges = np.concatenate([dark[:4], dark[-4:], dark[:, :4].T, dark[:, -4:].T])
        assert not edges.any()


def test_no_answer_is_always_right(questions: list[GeneralQuestion]) -> None:
    for ability in ABILITIES:
        truths = [question.truth for question in of(questions, ability)]
        assert max(truths.count(truth) for truth in truths) <= COUNT / 2
        for question in of(questions, ability):
            assert question.truth not in question.others


def test_the_same_is_drawn_again_and_fewer_are_the_first(
    questions: list[GeneralQuestion], tmp_path: Path
) -> None:
    again = draw_general(tmp_path, 2)
    for ours, earlier in zip(again, questions, strict=False):
        assert ours.picture.name == earlier.picture.name
        assert ours.picture.read_bytes() == earlier.picture.read_bytes()
        assert (ours.question, ours.truth) == (earlier.question, earlier.truth)
    other = draw_general(tmp_path, 2, seed=1)
    assert {q.picture for q in other}.isdisjoint(q.picture for q in again)
