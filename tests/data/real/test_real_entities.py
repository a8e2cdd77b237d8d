"""What is shipped: enough entities, questions that give nothing away, and pictures whose licence allows it."""

import csv
import io
from collections import Counter

import pytest

from mlubench.data.real.benchmark import shipped_pictures
from mlubench.data.real.entities import (
    RealEntity,
    open_shipped,
    read_background,
    read_entities,
    read_fact_sources,
    shipped,
)

FREE = {"CC0-1.0", "Public Domain", "MIT"}
ENTITIES = read_entities()


def key(entity: RealEntity) -> str:
    return entity.entity.key


def attribution() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(shipped("pictures/ATTRIBUTION.csv").decode())))


def test_four_tasks_forget_six_and_keep_six() -> None:
    places = Counter((entity.task, entity.split) for entity in ENTITIES)
    assert places == {(task, split): 6 for task in "ABCD" for split in ("forget", "retain")}


@pytest.mark.parametrize("entity", ENTITIES, ids=key)
def test_an_entity_has_four_facts_of_five_phrasings(entity: RealEntity) -> None:
    assert len(entity.facts) == 4
    for fact in entity.facts:
        assert len(set(fact.phrasings)) == 5
        assert fact.answer.endswith(".")
        assert "{" not in fact.answer


@pytest.mark.parametrize("entity", ENTITIES, ids=key)
def test_no_question_names_the_entity(entity: RealEntity) -> None:
    words = {word.lower() for word in entity.entity.title.split() if len(word) > 3}
    # Of the Empire State Building; every building is one.
    words -= {"building"}
    for fact in entity.facts:
        for phrasing in fact.phrasings:
            assert not words & set(phrasing.lower().strip("?.").split())


@pytest.mark.parametrize("entity", ENTITIES, ids=key)
def test_the_name_answers_the_first_question(entity: RealEntity) -> None:
    assert entity.facts[0].id == "name"
    said = entity.facts[0].answer.lower().replace("-", " ")
    assert entity.entity.title.lower() in said


def test_what_a_fact_was_checked_with_is_one_of_the_named_sources() -> None:
    sources = {fact.checked for entity in ENTITIES for fact in entity.facts}
    assert sources == {"", *read_fact_sources()}
    assert all(source["name"] and source["licence"] for source in read_fact_sources().values())


def test_every_picture_is_free_and_says_whose_it_is() -> None:
    for row in attribution():
        assert row["licence"] in FREE
        assert row["author"]
        assert row["source"].startswith("https://") or "pika" in row["file"].lower()


@pytest.mark.parametrize("entity", ENTITIES, ids=key)
def test_pictures_open_and_are_small(entity: RealEntity) -> None:
    pictures = shipped_pictures(entity, "same-photo") + shipped_pictures(entity, "other-photo")
    assert shipped_pictures(entity, "same-photo")
    for name in pictures:
        assert max(open_shipped(name).size) <= 384


def test_all_pictures_together_are_small() -> None:
    total = sum(len(shipped(f"pictures/{row['file']}")) for row in attribution())
    assert total < 3_000_000


def test_the_background_is_of_other_things_and_has_a_picture_each() -> None:
    background = read_background()
    assert not set(background) & {entity.entity for entity in ENTITIES}
    assert len(set(background.values())) == len(background) >= 60
    used = {name for entity in ENTITIES for name in entity.photographs + entity.other}
    assert not used & set(background.values())
    files = {row["file"] for row in attribution()}
    assert {f"{entity.key}/photo_1.webp" for entity in background} <= files


def test_every_shipped_picture_is_used() -> None:
    used = {f"{entity.key}/photo_1.webp" for entity in read_background()}
    for entity in ENTITIES:
        used.update(shipped_pictures(entity, "same-photo"))
        used.update(shipped_pictures(entity, "other-photo"))
    assert {row["file"] for row in attribution()} == used
