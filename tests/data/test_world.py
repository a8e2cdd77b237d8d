"""A world must look like the official data, repeat by seed, and ask nothing that the words alone give away."""

import json
import re
import string
import subprocess
import sys
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import pytest
from PIL import Image

from mlubench.core.errors import UsageError
from mlubench.core.files import digest, is_whole, read_manifest
from mlubench.data import release
from mlubench.data.inhabitants import invent, world_text
from mlubench.data.render import STAND_IN_MARK
from mlubench.data.world import build_world, world_facts, write_world

CLASSES = {
    "Animals",
    "Astronomy",
    "Plants",
    "Buildings",
    "Corporation",
    "Cartoon",
    "Movies",
    "Personage",
    "TV series",
}
FORGET = {
    "A": {"Animals", "Astronomy"},
    "B": {"Buildings", "Corporation", "Cartoon"},
    "C": {"Personage", "Movies"},
    "D": {"Personage", "TV series"},
}
RETAIN = {"A": {"Plants"}, "B": {"Cartoon"}, "C": {"Movies"}, "D": {"TV series"}}


@pytest.fixture(scope="module")
def world():
    return build_world(0)


def rows(world):
    """(task, split, class, entity, picture number, question, answer) of every record."""
    for task, splits in world.items():
        for split, records in splits.items():
            for record in records:
                folder, cls, name, file_name = record["image"].split("/")
                assert folder == "downloaded_images"
                number = re.fullmatch(r"image_(\d{4})\.jpg", file_name)
                assert number
                yield task, split, cls, name, int(number[1]), record["question"], record["answer"]


def columns(world):
    """All names, all questions and all answers."""
    names, questions, answers = set(), set(), set()
    for _, _, _, name, _, question, answer in rows(world):
        names.add(name)
        questions.add(question)
        answers.add(answer)
    return names, questions, answers


def test_tasks_are_shaped_like_the_official_ones(world):
    found = {(split, task): set() for task in "ABCD" for split in ("forget", "retain")}
    entities = defaultdict(set)
    homes = defaultdict(set)
    for task, split, cls, name, *_ in rows(world):
        found[split, task].add(cls)
        entities[split, task].add(name)
        homes[cls, name].add((task, split))
    assert list(world) == ["A", "B", "C", "D"]
    assert {task: found["forget", task] for task in world} == FORGET
    assert {task: found["retain", task] for task in world} == RETAIN
    assert {len(entities["forget", task]) for task in world} == {7}
    assert {len(entities["retain", task]) for task in world} == {5}
    assert len(homes) == 48
    assert {cls for cls, _ in homes} == CLASSES
    assert all(len(places) == 1 for places in homes.values())


def test_five_facts_of_five_phrasings_each(world):
    answers = defaultdict(lambda: defaultdict(set))
    for _, _, cls, name, _, question, answer in rows(world):
        answers[cls, name][answer].add(question)
    for facts in answers.values():
        assert len(facts) == 5
        assert all(len(questions) == 5 for questions in facts.values())
        assert len(set.union(*facts.values())) == 25


def test_pictures_are_spread_evenly(world):
    pictures = defaultdict(lambda: defaultdict(list))
    for _, _, _, name, number, question, answer in rows(world):
        pictures[name, answer][question].append(number)
    first_phrasings = defaultdict(set)
    for (name, _), by_question in pictures.items():
        sets = list(by_question.values())
        assert [len(s) for s in sets] == [len(set(s)) for s in sets] == [6, 5, 5, 5, 5]
        assert all(min(s) <= 2 and max(s) >= 9 for s in sets)
        assert set(sets[0]) | set(sets[1]) == set(range(1, 11))
        first_phrasings[name] |= set(sets[0])
    assert all(numbers == set(range(1, 11)) for numbers in first_phrasings.values())


def test_every_fact_can_be_trained_whatever_the_roles(tmp_path: Path, world):
    release.write(world, tmp_path)
    for seed in range(5):
        samples = release.read(tmp_path, seed=seed).samples
        trained = {s.fact for s in samples if s.phrasing == 0 and s.role == "fit"}
        assert trained == {s.fact for s in samples}
        assert len(trained) == 48 * 5


def test_no_question_names_an_entity(world):
    questions = {row[5] for row in rows(world)}
    assert len(questions) == 9 * 25
    words: set[str] = set()
    for question in questions:
        words |= set(re.findall(r"\w+", question.lower()))
    for who in invent(0, 48):
        invented = [word for word in re.findall(r"\w+", who.title) if word.lower() not in words]
        assert invented, f"{who.title} can be read off the questions"
        assert all(who.title.lower() not in question.lower() for question in questions)


def test_one_fact_is_the_name_and_the_answers_are_of_real_length(world):
    named = defaultdict(set)
    for _, _, cls, name, _, question, answer in rows(world):
        assert 8 <= len(answer.split()) <= 30, answer
        assert "{" not in answer and "{" not in question
        if question in world_text()["classes"][cls]["facts"]["name"]["ask"]:
            assert name.replace("_", " ") in answer
            named[name].add(answer)
    assert len(named) == 48
    assert all(len(answers) == 1 for answers in named.values())


def test_entities_of_a_class_differ_in_most_facts(world):
    facts = defaultdict(set)
    for _, _, cls, name, _, _, answer in rows(world):
        facts[cls, name].add(answer)
    for (one, first), (two, second) in combinations(facts.items(), 2):
        assert not (one[0] == two[0] and first & second)


def test_attributes_of_a_class_differ():
    for one, two in combinations(invent(3, 48), 2):
        if one.cls == two.cls:
            same = [key for key in one.attributes if one.attributes[key] == two.attributes[key]]
            assert not same, (one.title, two.title, same)


def test_names_are_unique_and_some_hold_other_letters():
    names = [who.name for who in invent(0, 48)]
    assert len({name.lower() for name in names}) == 48
    assert 2 <= sum(not name.isascii() for name in names) <= 12
    assert all(" " not in name and "/" not in name for name in names)


def test_same_seed_same_world_in_another_process(world):
    code = (
        "from mlubench.core.files import digest; from mlubench.data.world import build_world;"
        "print(digest(build_world(0)))"
    )
    out = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert out == [digest(world)] * 2


def test_another_seed_is_another_world(world):
    names, questions, answers = columns(world)
    other_names, other_questions, other_answers = columns(build_world(1))
    assert not names & other_names
    assert len(answers & other_answers) < 0.05 * len(answers)
    assert questions == other_questions


@pytest.mark.parametrize("entities", [16, 17, 23, 40, 50, 127])
def test_every_size_fills_every_place(entities: int):
    people = invent(5, entities)
    assert len({(who.cls, who.name) for who in people}) == entities
    assert {who.cls for who in people} == CLASSES
    for task in "ABCD":
        assert {who.cls for who in people if (who.task, who.split) == (task, "forget")} == FORGET[
            task
        ]
        assert {who.cls for who in people if (who.task, who.split) == (task, "retain")} == RETAIN[
            task
        ]


def test_odd_numbers_of_pictures_are_all_used():
    numbers = {row[4] for row in rows(build_world(0, entities=16, pictures=7))}
    assert numbers == set(range(1, 8))


def test_too_small_a_world_is_refused():
    with pytest.raises(UsageError, match="at least 16 entities, got 3"):
        build_world(0, entities=3)
    with pytest.raises(UsageError, match="at least 4 pictures, got 1"):
        build_world(0, pictures=1)


def test_every_text_is_whole():
    """Phrasings in fives and distinct, both answers of a fact say the same attributes, no attribute is unused."""

    def slots(text: str) -> set[str]:
        return {field for _, field, _, _ in string.Formatter().parse(text) if field} - {"title"}

    for cls, text in world_text()["classes"].items():
        used: set[str] = set()
        for kind, fact in text["facts"].items():
            assert len(set(fact["ask"])) == 5, (cls, kind)
            assert not any(slots(question) for question in fact["ask"]), (cls, kind)
            told = [slots(answer) for answer in fact["answers"]]
            assert all(one == told[0] for one in told), (cls, kind)
            used |= told[0]
        assert used == set(text["draws"]), cls


def test_written_world_is_whole(tmp_path: Path):
    seen = []
    out = write_world(
        2,
        tmp_path / "world",
        entities=16,
        pictures=4,
        size=32,
        progress=lambda *now: seen.append(now),
    )
    assert out == tmp_path / "world"
    assert is_whole(out)
    assert seen[-1] == (64, 64)
    assert read_manifest(out)["seed"] == 2
    described = json.loads((out / "world.json").read_text())
    assert len(described["inhabitants"]) == 16
    assert {k: described[k] for k in world_facts(2)} == world_facts(
        2, entities=16, pictures=4, size=32
    )
    assert (out / STAND_IN_MARK).is_file()
    pictures = set()
    for splits in build_world(2, entities=16, pictures=4).values():
        for records in splits.values():
            pictures |= {out / record["image"] for record in records}
    assert len(pictures) == 64
    assert all(Image.open(path).size == (32, 32) for path in pictures)
    assert len(list(out.rglob("task*_*.json"))) == 8


def test_interrupted_writing_leaves_nothing(tmp_path: Path):
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_world(2, tmp_path / "world", entities=16, pictures=4, size=32, progress=stop)
    assert list(tmp_path.iterdir()) == []
