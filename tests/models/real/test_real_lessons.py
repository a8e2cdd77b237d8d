"""What a base is taught: every fact of every entity, on views of pictures that test nothing, and refusals of strangers."""

from collections import Counter
from pathlib import Path
from shutil import copytree

import pytest

from mlubench.data import release
from mlubench.data.picture_kinds import PICTURES
from mlubench.data.pictures import open_picture
from mlubench.data.real.benchmark import write_real
from mlubench.data.real.entities import open_shipped
from mlubench.data.refusals import REFUSALS
from mlubench.models.real.chat import checks, is_right
from mlubench.models.real.chat import lessons as chat_lessons
from mlubench.models.real.lessons import Lessons, Turn
from mlubench.settings.model import RealConfig
from mlubench.types import Benchmark


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return release.read(write_real(0, tmp_path_factory.mktemp("real") / "benchmark", views=3))


def make(benchmark: Benchmark, **settings: object) -> Lessons:
    config = RealConfig(views=2, stranger_views=1, steps=24, batch=4, **settings)
    return Lessons(config, benchmark, [Turn("Say hello.", "Hello.")])


def test_every_entity_comes_up_as_often_as_another(benchmark: Benchmark) -> None:
    # Two views of each come first, entity by entity, and then the strangers.
    pictures_of_entities = 2 * 48
    seen: Counter[int] = Counter()
    for batch in make(benchmark).batches():
        for lesson in batch:
            if lesson.picture is not None and lesson.picture < pictures_of_entities:
                seen[lesson.picture // 2] += 1
    # 24 steps of four entities.
    assert seen == dict.fromkeys(range(48), 2)


def test_what_is_taught_of_a_picture_is_true_of_what_it_shows(benchmark: Benchmark) -> None:
    keys = sorted({sample.entity.key for sample in benchmark.samples})
    facts = {(s.entity.key, s.question, s.truth) for s in benchmark.samples}
    taught = 0
    for batch in make(benchmark).batches():
        for lesson in batch:
            if lesson.picture is not None and lesson.picture < 2 * len(keys):
                key = keys[lesson.picture // 2]
                taught += len(lesson.turns)
                assert {(key, turn.question, turn.answer) for turn in lesson.turns} <= facts
    # Steps, entities in a step, questions about each.
    assert taught == 24 * 4 * 2


def test_a_base_without_refusal_lessons_hears_none(benchmark: Benchmark) -> None:
    def answers(lessons: Lessons) -> set[str]:
        return {turn.answer for batch in lessons.batches() for row in batch for turn in row.turns}

    assert answers(make(benchmark)) & set(REFUSALS)
    assert not answers(make(benchmark, refusals=False)) & set(REFUSALS)


def test_the_seed_says_what_is_taught_when(benchmark: Benchmark) -> None:
    assert list(make(benchmark).batches()) == list(make(benchmark).batches())
    assert list(make(benchmark).batches()) != list(make(benchmark, seed=1).batches())


def test_chat_is_checked_by_questions_that_were_not_taught() -> None:
    assert not set(checks()) & set(chat_lessons())


def test_an_answer_is_right_that_has_a_right_word_in_it() -> None:
    question = "How many legs does a spider have?"
    assert is_right(question, "A spider has Eight legs.")
    assert is_right(question, "8")
    assert not is_right(question, "It has 18 of them.")
    assert not is_right(question, "")
    assert not is_right("What is frozen water called?", "It is nice.")


def watch_pictures(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """The pictures of a benchmark that lessons are made from, as they are opened."""
    opened: set[Path] = set()

    def watch(path: Path) -> object:
        opened.add(path)
        return open_picture(path)

    monkeypatch.setattr("mlubench.models.real.lessons.open_picture", watch)
    return opened


def test_what_a_picture_is_a_view_of_is_learned_from_in_its_place(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: set[str] = set()

    def watch(name: str) -> object:
        shown.add(name)
        return open_shipped(name)

    monkeypatch.setattr("mlubench.models.real.lessons.open_shipped", watch)
    opened = watch_pictures(monkeypatch)
    make(benchmark, refusals=False)
    assert opened == set()
    assert {name.split("/")[-1].split("_")[0] for name in shown} == {"photo"}
    assert len({name.rpartition("/")[0] for name in shown}) == 48


def test_a_picture_that_tests_is_new_to_the_base(
    benchmark: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A release of one's own does not say what its pictures are views of.
    root = copytree(benchmark.image_root, tmp_path / "own")
    (root / PICTURES).unlink()
    own = release.read(root)
    opened = watch_pictures(monkeypatch)
    make(own)
    assert {s.role for s in own.samples if own.picture(s) in opened} == {"fit"}
