"""Which words belong together: what "ice giant" and "gas giant", or "San Jose" and "San Francisco", share says nothing."""

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass

from mlubench.judging.rules.text import DIRECTIONS, Reading, stem, word_set

# Words that only say of what kind the next thing is: "the city of Agra", "regions of North America".
_KINDS = frozenset(
    map(
        stem,
        word_set(
            """region part area city town village state country province district continent family genus order species type
            kind sort name title company firm building landmark animal planet famous native located"""
        ),
    )
)
_COORDINATING = frozenset({"and", "or"})

# By word, what each of its occurrences stands together with.
Companions = Mapping[str, list[frozenset[str]]]


@dataclass(frozen=True, slots=True)
class Company:
    """What the words of a text stand together with."""

    # For a name, the other words of the same name and a direction before it; for a plain word, the word before it and
    # what "of" joins to it.
    beside: Companions
    # For what follows "of", the word before: "plains" of "plains of North America".
    head: Companions


def company(reading: Reading) -> Company:
    """The companions of every word, one entry for each time that it is said."""
    beside: dict[str, list[frozenset[str]]] = defaultdict(list)
    head: dict[str, list[frozenset[str]]] = defaultdict(list)
    position = 0
    words = reading.words
    for run in reading.runs:
        start = _find(words, run, position)
        position = start + len(run)
        above = _head_before(reading, start)
        below = _joined_by_of(reading, position)
        for index, word in enumerate(run):
            if word in reading.names:
                others = _rest_of_name(reading, run, index)
            else:
                others = {run[index - 1]} if index else set()
                if index == len(run) - 1:
                    others |= below
            beside[word].append(frozenset(others - _KINDS))
            head[word].append(frozenset(above - _KINDS))
    return Company(beside, head)


def _find(words: tuple[str, ...], run: tuple[str, ...], start: int) -> int:
    """Where the run stands, at or behind `start`. Runs come in the order of the words."""
    while words[start : start + len(run)] != run:
        start += 1
    return start


def _rest_of_name(reading: Reading, run: tuple[str, ...], index: int) -> set[str]:
    """The other words of the name that stands at `index` of a run."""
    first = index
    while first and run[first - 1] in reading.names:
        first -= 1
    last = index
    while last + 1 < len(run) and run[last + 1] in reading.names:
        last += 1
    rest = {*run[first:index], *run[index + 1 : last + 1]}
    if first and run[first - 1] in DIRECTIONS:
        rest.add(run[first - 1])
    return rest


def _head_before(reading: Reading, start: int) -> set[str]:
    """The word before "of", where the run at `start` follows it: "coast" of "coast of the Americas"."""
    words = reading.words
    before = start - 1
    while before > 0 and (words[before] in _COORDINATING or words[before] in reading.content):
        # "forests of South and Central America"
        before -= 1
    if before > 0 and words[before] == "the":
        before -= 1
    if before > 0 and words[before] == "of" and words[before - 1] in reading.content:
        return {words[before - 1]}
    return set()


def _joined_by_of(reading: Reading, end: int) -> set[str]:
    """The content words that "of" joins to the run which ends before `end`."""
    words = reading.words
    if words[end : end + 1] != ("of",):
        return set()
    start = end + 1
    if words[start : start + 1] == ("the",):
        start += 1
    found = set()
    for word in words[start:]:
        if word not in reading.content:
            break
        found.add(word)
    return found


def in_other_company(
    truth: Reading, response: Reading, *, said: Set[str], known: Set[str]
) -> set[str]:
    """Words that both say, each time of something else.

    The truth says the word with companions of which none is said, and the response with others, of which the truth has
    none. `said` are the response's words and those of the truth that it spells otherwise; companions in `known`, which
    is in the question, make no difference.
    """
    # Numbers are compared by what they are.
    shared = truth.content & response.content - truth.numbers
    if not shared:
        return set()
    of_truth = company(truth)
    of_response = company(response)
    found = set()
    for word in shared:
        beside = _parted(
            of_truth.beside[word], of_response.beside[word], truth.content, said, known
        )
        head = _parted(of_truth.head[word], of_response.head[word], truth.content, said, known)
        if beside or head:
            found.add(word)
    return found


def _parted(
    wanted: list[frozenset[str]],
    got: list[frozenset[str]],
    told: Set[str],
    said: Set[str],
    known: Set[str],
) -> bool:
    """Whether every occurrence has companions, and none in the truth or in the response fits the other's."""
    for companions in wanted:
        if not companions - known or companions & said:
            return False
    return all(companions - known and not companions & told for companions in got)
