"""Names are found by their hashes however they are spaced and cased, and nothing else is."""

from hashlib import sha256

from mlubench.lumoe.second_look.hashed_names import HashedNames, letters_of

EIFFEL = "Buildings/Eiffel_Tower"


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def test_a_hashed_name_is_found_in_a_text() -> None:
    names = HashedNames({EIFFEL: [hash_of(letters_of("eiffel tower"))]}, 2, hash_of)
    for text in (
        "This is the Eiffel Tower.",
        "eiffel-tower",
        "EIFFELTOWER!",
        "the Eif fel Tower",
        "The Eiffel Tower's lift",
    ):
        assert names.find(text) == {EIFFEL}, text
    for text in ("", "The Eiffel", "A tower of Eiffel", "the Eifel Tower"):
        assert names.find(text) == set(), text
