"""How names are read however they are written: digits for letters, and numbers that are words."""

import pytest

from mlubench.lumoe.gates.spelling import fold, spellings


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("T4yl0r 5w1ft", "taylor swift"),
        ("J. K. Rowling's", "jk rowling"),
        ("Pokémon_Logo", "pokemon logo"),
        ("1984 and 2001", "1984 and 2001"),
        ("It cost $50", "it cost $50"),
    ],
)
def test_a_text_in_plain_letters(text: str, plain: str) -> None:
    assert fold(text) == plain


def test_a_one_may_be_two_letters() -> None:
    assert set(spellings("L1l1")) == {"lili", "llll"}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("F4r3w3ll 70 L14p14", "farewell to liapia"),
        ("B4n4350 11", "banaeso ii"),
        ("4 L3773r f0r M0m", "a letter for mom"),
        ("G035 70 534", "goes to sea"),
    ],
)
def test_beside_digits_for_letters_a_number_may_be_a_word(text: str, word: str) -> None:
    assert word in spellings(text)


def test_a_number_among_plain_words_stays_one() -> None:
    assert spellings("Was it 70 in 1984?") == ("was it 70 in 1984",)


def test_a_number_that_looks_like_no_word_stays_one_everywhere() -> None:
    assert all("2026" in spelling for spelling in spellings("M1chael in 2026"))
