"""Strings filed so that all which may be as like a given one as a ratio says are found without a look at the others."""

from array import array
from collections.abc import Sequence

import numpy as np

FEW = 48  # entries up to which a plain loop is faster than numpy


def bag_of(text: str) -> int:
    """64 bits: which of 32 letters the text holds at all (upper half), and which more than once (lower half).

    Letters that share a bit only make strings look more alike. An insertion or a deletion changes one bit at most. Of two
    bags a and b of texts one behind the other: `a | b | (a & b) >> 32`.
    """
    bag = 0
    for letter in text:
        bit = 1 << (32 + (ord(letter) & 31))
        bag |= bit >> 32 if bag & bit else bit
    return bag


class File:
    """What may be like a string of one first letter and length: bags, insertions and deletions allowed, numbers."""

    __slots__ = ("bags", "edits", "few", "numbers")

    def __init__(self) -> None:
        self.few: list[tuple[int, int, int]] | None = []
        self.bags, self.edits, self.numbers = array("Q"), array("B"), array("I")

    def add(self, bag: int, edits: int, number: int) -> None:
        if self.few is not None:
            self.few.append((bag, edits, number))
            if len(self.few) < FEW:
                return
            entries, self.few = self.few, None
        else:
            entries = [(bag, edits, number)]
        for entry in entries:
            for column, value in zip((self.bags, self.edits, self.numbers), entry, strict=True):
                column.append(value)

    def near(self, bag: int) -> Sequence[int]:
        if self.few is not None:
            return [
                number for other, edits, number in self.few if (other ^ bag).bit_count() <= edits
            ]
        apart = np.bitwise_count(np.frombuffer(self.bags, np.uint64) ^ np.uint64(bag))
        which = (apart <= np.frombuffer(self.edits, np.uint8)).nonzero()[0]
        return [self.numbers[n] for n in which.tolist()]


class Filed:
    """Strings by first letter and by each length at which another with that first letter can reach the ratio.

    `ratio` (0 to 100) is RapidFuzz's: insertions and deletions are at most that share of both lengths. What a file gives as
    near holds every such string of at least `shortest` letters, and others whose letters are nearly the same.
    """

    def __init__(self, ratio: int, shortest: int) -> None:
        self.ratio, self.shortest = ratio, shortest
        self.reach: dict[str, int] = {}  # by first letter, the longest that anything may be like
        # By first letter, then by the length of what is asked about.
        self.files: dict[str, dict[int, File]] = {}

    def add(self, text: str, number: int) -> None:
        """Files the text under its number, if it is long enough."""
        if len(text) < self.shortest:
            return
        files, bag, length = self.files.setdefault(text[0], {}), bag_of(text), len(text)
        for other in range(self.shortest, 2 * length + 1):
            edits = (100 - self.ratio) * (length + other) // 100
            edits -= (
                edits - length - other
            ) % 2  # two lengths of the same parity are an even number of edits apart
            if abs(length - other) <= edits:
                if other not in files:
                    files[other] = File()
                files[other].add(bag, min(edits, 255), number)
                self.reach[text[0]] = max(self.reach.get(text[0], 0), other)
