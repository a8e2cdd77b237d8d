"""Other truths of a class: an answer that tells one of them is not partly right for what the two share."""

from collections import defaultdict
from collections.abc import Iterable, Set

from mlubench.judging.rules.text import Reading, read

# The share of what tells another truth from this one from which on an answer tells the other.
TOLD = 0.8


class Rivals:
    """The truths of each class. `references` are (class, truth) pairs."""

    def __init__(self, references: Iterable[tuple[str, str]]) -> None:
        self._truths: dict[str, list[Reading]] = defaultdict(list)
        for cls, truth in sorted(set(references)):
            self._truths[cls].append(read(truth))

    def explain(
        self, cls: str, truth: Reading, asked: frozenset[str], response: Reading, hits: Set[str]
    ) -> bool:
        """Whether the answer tells another truth of the class, and that one holds all that the answer has of this truth.

        A truth that says nothing beyond this one is no rival: it is a part of it. `hits` are the words that this truth and
        the answer share, as far as they count.
        """
        said = response.content - response.negated
        for rival in self._truths[cls]:
            if not hits <= rival.content:
                continue
            other = rival.content - truth.content - asked
            if other and len(other & said) >= TOLD * len(other):
                return True
        return False
