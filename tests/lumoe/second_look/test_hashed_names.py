"""Names are found by their hashes however they are spaced and cased, and nothing else is."""

from hashlib import sha256

import pytest

from mlubench.lumoe.second_look.hashed_names import HashedNames

EIFFEL = "Buildings/Eiffel_Tower"


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.fixture
def names() -> HashedNames:
    made = HashedNames(hash_of)
    made.add(EIFFEL, ["eiffel tower"])
    return made


@pytest.mark.parametrize(
    "text",
    [
        "This is the Eiffel Tower.",
        "eiffel-tower",
        "EIFFELTOWER!",
        "the Eif fel Tower",
        "The Eiffel Tower's lift",
    ],
)
def test_a_hashed_name_is_found(names: HashedNames, text: str) -> None:
    assert names.find(text) == {EIFFEL}


@pytest.mark.parametrize("text", ["", "The Eiffel", "A tower of Eiffel", "the Eifel Tower"])
def test_other_words_are_no_name(names: HashedNames, text: str) -> None:
    assert names.find(text) == set()


def test_it_keeps_hashes_alone_and_finds_by_them_again(names: HashedNames) -> None:
    assert names.hashes == {EIFFEL: [hash_of("eiffeltower")]}
    again = HashedNames(hash_of)
    again.most_words = names.most_words
    again.add_hashes(EIFFEL, names.hashes[EIFFEL])
    assert again.find("Is this the Eiffel Tower?") == {EIFFEL}
