"""Which words count as a name written with mistakes: rules on letters and words, without an index."""

from collections.abc import Mapping, Sequence

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

# Ratios are RapidFuzz's, 0 to 100; lengths are in letters.
# One word of a name of several. Below it "Johnson" would be "Jackson".
WORD_RATIO = 78
WORD_LENGTH = 4
# A name of one word. A shorter one must be whole: one edit makes another common word of it.
SINGLE_RATIO = 82
SINGLE_LENGTH = 6
# A name that is written in more or fewer words than it has.
SPLIT_RATIO = 90
SPLIT_LENGTH = 9


def is_misspelt(window: Sequence[str], name: Sequence[str], ratio: float, threshold: float) -> bool:
    """Whether the words of the window are those of the name, misspelt.

    `ratio` is that of their letters without spaces. The first letter must be right: "Bates" is no "Gates".
    """
    if len(window) != len(name):
        return _is_split(window, name, ratio, threshold)
    if len(name) == 1:
        return _is_single(window[0], name[0], ratio, threshold)
    return ratio >= threshold and all(_same_word(a, b) for a, b in zip(window, name, strict=True))


def same_words(word: str, names: Mapping[int, str]) -> set[int]:
    """Which of these words of names is the word; they begin with the same letter and are long enough."""
    if not names:
        return set()
    # Two swapped letters of four leave a ratio below WORD_RATIO; of longer words they leave a higher one.
    if len(word) == WORD_LENGTH:
        return {number for number, name in names.items() if _same_word(word, name)}
    found = process.extract(word, names, scorer=fuzz.ratio, score_cutoff=WORD_RATIO, limit=None)
    return {number for _, _, number in found}


def _is_split(window: Sequence[str], name: Sequence[str], ratio: float, threshold: float) -> bool:
    letters = min(len("".join(window)), len("".join(name)))
    if window[0][0] != name[0][0] or letters < SPLIT_LENGTH:
        return False
    return ratio >= max(SPLIT_RATIO, threshold)


def _is_single(word: str, name: str, ratio: float, threshold: float) -> bool:
    if word[0] != name[0] or min(len(word), len(name)) < SINGLE_LENGTH:
        return False
    return ratio >= max(threshold, SINGLE_RATIO) or _swapped(word, name)


def _same_word(word: str, name: str) -> bool:
    if word == name:
        return True
    if word[0] != name[0] or min(len(word), len(name)) < WORD_LENGTH:
        return False
    return fuzz.ratio(word, name) >= WORD_RATIO or _swapped(word, name)


def _swapped(word: str, name: str) -> bool:
    """Whether two neighbouring letters changed places."""
    if len(word) != len(name) or sorted(word) != sorted(name):
        return False
    return OSA.distance(word, name, score_cutoff=1) == 1
