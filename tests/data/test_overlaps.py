"""An entity in several places is found under whatever spelling."""

import unicodedata

from mlubench.data.overlaps import Standing, find_overlaps
from mlubench.types import Entity, Split

COMPOSED = unicodedata.normalize("NFC", "Pokémon")
APART = unicodedata.normalize("NFD", "Pokémon")


def standing(name: str, place: str = "A forget") -> Standing:
    task, split_name = place.split()
    split: Split = "forget" if split_name == "forget" else "retain"
    return Standing(Entity("Cartoon", name), task, split)


def test_entities_of_one_place_do_not_overlap() -> None:
    assert find_overlaps([standing("Tom"), standing("Jerry"), standing("Tom")]) == []


def test_forgotten_and_kept_under_two_spellings_is_an_error_that_shows_both() -> None:
    (overlap,) = find_overlaps([standing(COMPOSED), standing(APART, "B retain")])
    assert overlap.is_error
    assert overlap.message == (
        f"Cartoon/{COMPOSED} under 2 spellings ('Cartoon/Pok\\xe9mon' and 'Cartoon/Poke\\u0301mon') "
        "is both to be forgotten and to be kept: A forget, B retain"
    )


def test_the_class_is_part_of_the_name() -> None:
    other = Standing(Entity("CARTOON", "Tom"), "A", "retain")
    assert [o.is_error for o in find_overlaps([standing("Tom"), other])] == [True]


def test_two_spellings_in_one_split_are_worth_a_look() -> None:
    (overlap,) = find_overlaps([standing("Tom"), standing("Tom\u200b")])
    assert not overlap.is_error
    assert "counts as several entities: A forget" in overlap.message
    (overlap,) = find_overlaps([standing("Tom"), standing("TOM", "B forget")])
    assert not overlap.is_error
    assert "is in several tasks: A forget, B forget" in overlap.message


def test_a_third_spelling_joins_what_two_do_not_share() -> None:
    # Greek small letters look like other Latin letters than the capitals do.
    names = ["νικη", "ΝΙΚΗ", "NIKH"]
    standings = [standing(name, f"{task} forget") for name, task in zip(names, "ABC", strict=True)]
    (overlap,) = find_overlaps([standings[0], standings[2], standings[1]])
    assert "under 3 spellings" in overlap.message


def test_names_that_differ_in_accents_are_a_warning_where_one_is_kept() -> None:
    (overlap,) = find_overlaps([standing("Pokemon"), standing(COMPOSED, "A retain")])
    assert not overlap.is_error
    assert "differs in accents alone and may be one entity" in overlap.message
    assert find_overlaps([standing("Pokemon"), standing(COMPOSED)]) == []
