"""Entities of no task, and what is asked about them."""

from pathlib import Path

import pytest
from PIL import Image

from mlubench.core.errors import UsageError
from mlubench.data.strangers import (
    DRAWN,
    MOST_OF_FOLDER,
    asked,
    draw_strangers,
    drawn_entities,
    drawn_picture,
    pictures_in,
)
from mlubench.types import Benchmark, Entity


def test_drawn_ones_are_in_no_world(whole_benchmark: Benchmark, tmp_path: Path) -> None:
    classes = [sample.entity.cls for sample in whole_benchmark.samples]
    entities = drawn_entities(classes, 0)
    assert len(set(entities)) == DRAWN
    assert {entity.cls for entity in entities} == set(classes)
    assert not set(entities) & {sample.entity for sample in whole_benchmark.samples}
    # Another seed draws others, as it draws another world.
    assert not set(entities) & set(drawn_entities(classes, 1))
    draw_strangers(entities[:3], tmp_path)
    assert all(drawn_picture(tmp_path, entity).is_file() for entity in entities[:3])


def test_each_is_asked_a_question_of_its_class(whole_benchmark: Benchmark) -> None:
    questions: dict[str, set[str]] = {}
    for sample in whole_benchmark.samples:
        questions.setdefault(sample.entity.cls, set()).add(sample.question)
    classes = sorted(questions)
    shown = [(entity, Path(entity.name)) for entity in drawn_entities(classes, 0)]
    found = asked(shown, whole_benchmark, seed=0)
    assert [stranger.entity for stranger in found] == [entity for entity, _ in shown]
    assert all(stranger.question in questions[stranger.entity.cls] for stranger in found)
    assert found == asked(shown, whole_benchmark, seed=0)
    assert found != asked(shown, whole_benchmark, seed=1)
    # How many there are changes no question of the others.
    assert found[:5] == asked(shown[:5], whole_benchmark, seed=0)
    (odd,) = asked([(Entity("Teapots", "Brown"), Path("brown"))], whole_benchmark, seed=0)
    assert odd.question in set().union(*questions.values())


def test_a_folder_is_read_with_who_is_on_each_picture(tmp_path: Path) -> None:
    for name in ("Animals/Fox.png", "Animals/Owl.JPG", "loose.webp", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("no picture")
        else:
            Image.new("RGB", (32, 32)).save(path)
    found = pictures_in(tmp_path, seed=0)
    assert [(entity.key, path.name) for entity, path in found] == [
        ("Animals/Fox", "Fox.png"),
        ("Animals/Owl", "Owl.JPG"),
        (f"{tmp_path.name}/loose", "loose.webp"),
    ]


def test_of_many_pictures_the_seed_draws_some(tmp_path: Path) -> None:
    for number in range(MOST_OF_FOLDER + 5):
        Image.new("RGB", (16, 16)).save(tmp_path / f"{number}.png")
    found = pictures_in(tmp_path, seed=0)
    assert len(set(found)) == MOST_OF_FOLDER
    assert found == pictures_in(tmp_path, seed=0) != pictures_in(tmp_path, seed=1)


def test_a_folder_that_is_of_no_use_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone is no folder\. Give one with pictures"):
        pictures_in(tmp_path / "gone", seed=0)
    with pytest.raises(UsageError, match="holds no picture"):
        pictures_in(tmp_path, seed=0)
    (tmp_path / "broken.png").write_text("this is no picture")
    with pytest.raises(UsageError, match=r"broken\.png .*\. Replace it, or take it out"):
        pictures_in(tmp_path, seed=0)
