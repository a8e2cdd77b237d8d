"""Names found by index are those that comparing with every name finds, whatever was added or removed before."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from mlubench.lumoe.gates.misspelling import is_misspelt
from mlubench.lumoe.gates.names import Hit, Names
from mlubench.lumoe.gates.spelling import fold, spellings

# Few letters, so that many names are nearly the same; a name of several words is often written as one.
FULL = "taylor taylors tailor swift michael micheal jordan gordan interstellar inter stellar intersteller bobcat bobcats"
WORDS = st.text("abcß马é1s", min_size=1, max_size=4) | st.sampled_from(
    [*FULL.split(), "the", "of", "constantinopel"]
)
NAMES = st.lists(WORDS, min_size=1, max_size=4).map(" ".join).map(fold).filter(bool)
LISTS = st.dictionaries(st.sampled_from("ABCDEFGH"), st.lists(NAMES, max_size=3), max_size=8)
THRESHOLDS = st.sampled_from([50.0, 77.0, 80.0, 90.0, 100.0])


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, list[str]], str]:
    """Names, and a text that often holds one with letters or spaces changed."""
    listed = draw(LISTS)
    known = [name for names in listed.values() for name in names]
    parts = draw(st.lists(WORDS | st.sampled_from(known) if known else WORDS, max_size=5))
    text = " ".join(parts)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(text)))
        text = (
            text[:place]
            + draw(st.sampled_from(["", "", " ", "a", "r"]))
            + text[place + draw(st.integers(0, 1)) :]
        )
    return listed, text


def like(
    names: dict[str, list[str]], window: Sequence[str], threshold: float
) -> list[tuple[str, str, float]]:
    """Entities and names that the words are, by comparing with every name."""
    letters = "".join(window)
    pairs = [(entity, name) for entity, listed in names.items() for name in listed]
    exact = [
        (e, n, 100.0)
        for e, n in pairs
        if n.replace(" ", "") in (letters, letters.removesuffix("s"))
    ]
    ratios = [(e, n, fuzz.ratio(letters, n.replace(" ", ""))) for e, n in pairs]
    return exact or [
        (e, n, ratio) for e, n, ratio in ratios if is_misspelt(window, n.split(), ratio, threshold)
    ]


def exhaustive(names: dict[str, list[str]], text: str, threshold: float) -> set[Hit]:
    """Every hit before overlaps are settled, as it was found before there was an index."""
    sizes = {
        len(n.split()) + d for listed in names.values() for n in listed for d in (-1, 0, 1)
    } - {0}
    return {
        Hit(entity, " ".join(words[start : start + size]), start, start + size, ratio / 100)
        for words in (version.split() for version in spellings(text))
        for size in sizes
        for start in range(len(words) - size + 1)
        for entity, _, ratio in like(names, words[start : start + size], threshold)
    }


def indexed(names: Names, text: str, threshold: float) -> set[Hit]:
    return {hit for v in spellings(text) for hit in names._find(v.split(), names._sizes, threshold)}


@settings(max_examples=200, deadline=None)
@given(cases(), THRESHOLDS)
def test_the_index_leaves_nothing_out_and_adds_nothing(
    case: tuple[dict[str, list[str]], str], threshold: float
) -> None:
    listed, text = case
    assert indexed(Names(listed), text, threshold) == exhaustive(listed, text, threshold)


@settings(max_examples=200, deadline=None)
@given(cases(), THRESHOLDS)
def test_a_reply_means_the_best_of_all_names(
    case: tuple[dict[str, list[str]], str], threshold: float
) -> None:
    listed, text = case
    versions = [v.split() for v in spellings(text) if v not in ("", "none")]
    scores = [
        (-r, e)
        for words in versions
        for e, _, r in like(listed, words, threshold)
        if r >= threshold
    ]
    hit = Names(listed).meant(text, threshold=threshold)
    assert (
        (hit and (-hit.score * 100, hit.entity)) == (pytest.approx(min(scores)[0]), min(scores)[1])
        if scores
        else not hit
    )


@settings(max_examples=80, deadline=None)
@given(cases(), LISTS, THRESHOLDS)
def test_added_and_removed_is_as_made_anew(
    case: tuple[dict[str, list[str]], str], others: dict[str, list[str]], threshold: float
) -> None:
    listed, text = case
    grown = Names({f"other {entity}": names for entity, names in others.items()})
    grown.find(text, threshold=threshold)  # what it keeps of a question must not outlive the change
    for entity, names in listed.items():
        grown.add(entity, names)
    both = Names(listed | {f"other {entity}": names for entity, names in others.items()})
    assert grown.find(text, threshold=threshold) == both.find(text, threshold=threshold)
    for entity in others:
        grown.remove(f"other {entity}")
    assert grown.find(text, threshold=threshold) == Names(listed).find(text, threshold=threshold)
    assert {e: set(n) for e, n in grown.names.items()} == {
        e: set(n) for e, n in listed.items() if n
    }


@pytest.fixture(scope="module")
def many() -> Names:
    """3,000 names that begin alike, so that numpy does the filing's work."""
    return Names({f"E{n}": [f"marten {_spelt(n)}", f"ma{_spelt(n)}"] for n in range(3000)})


def _spelt(number: int) -> str:
    return "".join("bdfgklmnpr"[int(d)] + "aeiou"[int(d) % 5] for d in f"{number:04d}")


@pytest.mark.parametrize("number", [0, 7, 1234, 2999])
@pytest.mark.parametrize("write", ["marten {}", "martan {}", "marten{}", "marten{}x", "MÄRTEN {}s"])
def test_among_many(many: Names, number: int, write: str) -> None:
    text = f"who is {write.format(_spelt(number))} then"
    assert indexed(many, text, 80) == exhaustive(many.names, text, 80)
    assert f"E{number}" in {hit.entity for hit in many.find(text, threshold=80)}


def test_names_of_no_letters_are_none() -> None:
    assert Names({"A": ["", "b"]}).names == {"A": ["b"]}
    assert Names({}).find("anything", threshold=80) == []
