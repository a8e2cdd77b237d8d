"""Which words count as a name written with mistakes: rules on letters and words, without an index."""

from collections.abc import Mapping, Sequence

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

WORD_RATIO = 78  # below it "Johnson" would be "Jackson"
SINGLE_LENGTH = 6  # a shorter name alone must be whole: one edit makes another common word of it
SINGLE_RATIO = 82
WORD_LENGTH = 4
SPLIT_RATIO, SPLIT_LENGTH = 90, 9  # of a name that is written in more or fewer words than it has


def is_misspelt(window: Sequence[str], name: Sequence[str], ratio: float, threshold: float) -> bool:
    """Whether these words are the name, misspelt. The first letter must be right: "Bates" is no "Gates"."""
    if len(window) != len(name):
        letters = min(len("".join(window)), len("".join(name)))
        return (
            window[0][0] == name[0][0]
            and letters >= SPLIT_LENGTH
            and ratio >= max(SPLIT_RATIO, threshold)
        )
    if len(name) == 1:
        long = min(len(window[0]), len(name[0])) >= SINGLE_LENGTH
        return (
            long
            and window[0][0] == name[0][0]
            and (ratio >= max(threshold, SINGLE_RATIO) or _swapped(window[0], name[0]))
        )
    return ratio >= threshold and all(_same_word(a, b) for a, b in zip(window, name, strict=True))


def _same_word(got: str, name: str) -> bool:
    if got == name:
        return True
    if got[0] != name[0] or min(len(got), len(name)) < WORD_LENGTH:
        return False
    return fuzz.ratio(got, name) >= WORD_RATIO or _swapped(got, name)


def same_words(got: str, names: Mapping[int, str]) -> set[int]:
    """Which of these words of names is the word; they begin with the same letter and are long enough."""
    if len(got) == WORD_LENGTH:  # of longer words two swapped letters leave a higher ratio
        return {n for n, name in names.items() if _same_word(got, name)}
    return {
        n
        for _, _, n in process.extract(
            got, names, scorer=fuzz.ratio, score_cutoff=WORD_RATIO, limit=None
        )
    }


def _swapped(got: str, name: str) -> bool:
    """Whether two neighbouring letters changed places."""
    return (
        len(got) == len(name)
        and OSA.distance(got, name, score_cutoff=1) == 1
        and sorted(got) == sorted(name)
    )
