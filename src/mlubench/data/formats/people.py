"""Names of people, where a benchmark has no column for them: who its texts speak of most."""

import re
from collections import Counter
from collections.abc import Sequence

_CAPITAL = r"[^\W\d_a-z][\w'’.-]*"
_SMALL = r"(?:al|bin|da|de|del|der|di|dos|el|la|le|ter|van|von|y)"
# A run of words that may hold a name: it begins and ends with a capital.
_RUN = re.compile(rf"{_CAPITAL}(?: (?:{_SMALL} )*{_CAPITAL})+")
_POSSESSIVE = re.compile(r"['’]s$|['’]$")
_MOST_WORDS = 5
# A name stands in at least this share of the texts about somebody.
_SHARE = 0.25


def name_in(texts: Sequence[str]) -> str | None:
    """The name that most of these texts about one person hold, or None. A name has two words or more."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_candidates(text))
    if not counts:
        return None
    # Of equally frequent ones the longest: the first name alone would come no more often.
    best = max(counts, key=lambda name: (counts[name], len(name), name))
    return best if counts[best] >= _SHARE * len(texts) else None


def _candidates(text: str) -> set[str]:
    """Every run of two words or more within the runs of capitalised words."""
    found: set[str] = set()
    for run in _RUN.findall(text):
        words = [_POSSESSIVE.sub("", word).rstrip(".") for word in run.split()]
        for start in range(len(words)):
            for stop in range(start + 2, min(start + _MOST_WORDS, len(words)) + 1):
                ends = words[start], words[stop - 1]
                if all(end[:1].isupper() for end in ends):
                    found.add(" ".join(words[start:stop]))
    return found
