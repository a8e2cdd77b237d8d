"""Strings filed so that all which may be as like a given one as a ratio says are found without a look at the others."""

from array import array
from collections.abc import Sequence

import numpy as np

FEW = 48  # entries up to which a plain loop is faster than numpy


def bag_of(text: str) -> int:
    """64 bits: which of 32 letters the text holds at all (upper half), and which more than once (lower half).

    Letters that share a bit only make strings look more alike. An insertion or a deletion changes one bit at most.
    """
    bag = 0
    for letter in text:
        bit = 1 << (32 + (ord(letter) & 31))
        bag |= bit >> 32 if bag & bit else bit
    return bag


def joined(one: int, other: int) -> int:
    """The bag of two texts one behind the other."""
    return one | other | (one & other) >> 32


class _File:
    """Strings of one first letter that may be like a string of one length: bags, insertions and deletions allowed, numbers."""

    __slots__ = ("bags", "edits", "numbers")

    def __init__(self) -> None:
        self.bags, self.edits, self.numbers = array("Q"), array("B"), array("I")

    def near(self, bag: int) -> Sequence[int]:
        if len(self.bags) <= FEW:
            entries = zip(self.bags, self.edits, self.numbers, strict=True)
            return [number for other, edits, number in entries if (other ^ bag).bit_count() <= edits]
        apart = np.bitwise_count(np.frombuffer(self.bags, np.uint64) ^ np.uint64(bag))
        which = np.flatnonzero(apart <= np.frombuffer(self.edits, np.uint8))
        return [self.numbers[n] for n in which.tolist()]


class Filed:
    """Strings by first letter and by each length at which another with that first letter can reach the ratio.

    `ratio` (0 to 100) is RapidFuzz's: insertions and deletions are at most that share of both lengths. What `near` gives
    holds every such string of at least `shortest` letters, and others whose letters are nearly the same.
    """

    def __init__(self, ratio: int, shortest: int) -> None:
        self.ratio, self.shortest = ratio, shortest
        self._files: dict[str, dict[int, _File]] = {}

    def add(self, text: str, number: int) -> None:
        """Files the text under its number; strings that are too short are left out."""
        if len(text) < self.shortest:
            return
        files, bag, length = self._files.setdefault(text[0], {}), bag_of(text), len(text)
        for other in range(self.shortest, 2 * length + 1):
            edits = (100 - self.ratio) * (length + other) // 100
            if abs(length - other) <= edits:
                file = files.setdefault(other, _File())
                file.bags.append(bag)
                file.edits.append(min(edits, 255))
                file.numbers.append(number)

    def near(self, first: str, length: int, bag: int) -> Sequence[int]:
        """Numbers of strings that may be like one with this first letter, length and bag."""
        file = self._files.get(first, {}).get(length)
        return file.near(bag) if file is not None else ()
