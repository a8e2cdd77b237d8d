"""What a reader takes for one name is one, what he does not is not, and a file is found in either Unicode form."""

import unicodedata
from pathlib import Path

import pytest

from mlubench.core.spelling import name_keys, path_below, plain_letters

NAME = "Pokémon"
COMPOSED = unicodedata.normalize("NFC", NAME)
APART = unicodedata.normalize("NFD", NAME)


def is_one_name(one: str, other: str) -> bool:
    return not set(name_keys(one)).isdisjoint(name_keys(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (COMPOSED, APART),
        ("Rose", "ROSE"),
        ("Straße", "STRASSE"),
        ("Rose", "Ro\u200bse"),  # zero width space
        ("Rose", "\u2060Rose\ufeff"),  # word joiner, byte order mark
        ("Rose", "Ro\u00adse"),  # soft hyphen
        ("Rose", "Rose\ufe0f"),  # variation selector
        ("Rose", "Rose "),
        ("Red Rose", "Red\u00a0 _Rose"),
        ("Rose", "Ｒｏｓｅ"),
        ("Red_Rose", "Red＿Rose"),
        ("Rose", "R\u043ese"),  # Cyrillic o
        (COMPOSED, "P\u043ek\u00e9mon"),
        ("TOM", "\u03a4\u039f\u039c"),  # Greek capitals
        ("\u0391\u0398\u0397\u039d\u0391", "\u03b1\u03b8\u03b7\u03bd\u03b1"),  # Greek, both cases
        (
            "\u041c\u043e\u0441\u043a\u0432\u0430",
            "\u041c\u041e\u0421\u041a\u0412\u0410",
        ),  # Cyrillic
        ("Schindler's List", "Schindler’s List"),
        ("Spider-Man", "Spider\u2013Man"),
    ],
)
def test_spellings_of_one_name(one: str, other: str) -> None:
    assert is_one_name(one, other)
    assert is_one_name(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C++", "C#"),
        ("Ferrari_F40", "Ferrari_F50"),
        ("Hòa", "Hoa"),
        ("ハハ", "ババ"),
        ("Tom", "Tim"),
        ("Red Rose", "Redrose"),
        ("1917", "1971"),
    ],
)
def test_names_of_two(one: str, other: str) -> None:
    assert not is_one_name(one, other)


def test_plain_letters_leave_out_accents() -> None:
    assert plain_letters(APART) == plain_letters(COMPOSED) == "pokemon"
    assert plain_letters("ＦＵＬＬ wi\u200bdth ѕee") == "full width see"


@pytest.mark.parametrize(("on_disk", "asked"), [(COMPOSED, APART), (APART, COMPOSED)])
def test_a_file_is_found_in_either_form(tmp_path: Path, on_disk: str, asked: str) -> None:
    # The folder in one form and the file's own name in the other, as half unpacked archives have them.
    path = tmp_path / on_disk / f"{asked}é.jpg"
    path.parent.mkdir()
    path.touch()
    wanted = unicodedata.normalize("NFC", f"{asked}/{asked}é.jpg")
    assert path_below(tmp_path, wanted).samefile(path)
    assert path_below(tmp_path, unicodedata.normalize("NFD", wanted)).samefile(path)


def test_a_file_that_is_there_exactly_comes_first(tmp_path: Path) -> None:
    for name in (COMPOSED, APART):
        (tmp_path / name).write_text(name)
    assert path_below(tmp_path, COMPOSED).read_text() == COMPOSED
    assert path_below(tmp_path, APART).read_text() == APART


@pytest.mark.parametrize("name", ["nowhere.jpg", "é.jpg", "é/é.jpg", "é\0.jpg", "é" * 300])
def test_what_is_not_there_stays_as_it_is_written(tmp_path: Path, name: str) -> None:
    assert path_below(tmp_path, name) == tmp_path / name
