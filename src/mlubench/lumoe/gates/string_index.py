"""An index of strings that finds all which may be as like a given one as a ratio says, without a look at the others."""

from array import array
from collections.abc import Sequence

import numpy as np

FEW = 48  # entries of a bucket up to which a plain loop is faster than numpy


def bag_of(text: str) -> int:
    """64 bits: which of 32 letters the text holds at all (upper half), and which more than once (lower half).

    Letters that share a bit only make strings look more alike. An insertion or a deletion changes one bit at most, so two
    strings are at least as many edits apart as their bags have different bits.
    """
    bag = 0
    for letter in text:
        bit = 1 << (32 + (ord(letter) & 31))
        if bag & bit:
            # The second time, the letter's bit in the lower half.
            bit >>= 32
        bag |= bit
    return bag


def joined_bags(one: int, other: int) -> int:
    """The bag of two texts one behind the other: what both hold comes more than once."""
    return one | other | ((one & other) >> 32)


class Bucket:
    """The strings that may be like a string of one first letter and one length.

    A query looks at all of them, so they are kept as three columns for numpy once there are more than a few.
    """

    __slots__ = ("bags", "edits", "few", "numbers")

    def __init__(self) -> None:
        # (bag, edits allowed, number) of each string; None once the columns hold them.
        self.few: list[tuple[int, int, int]] | None = []
        self.bags = array("Q")
        # Insertions and deletions that may lie between the string and what is asked about.
        self.edits = array("B")
        self.numbers = array("I")

    def add(self, bag: int, edits: int, number: int) -> None:
        if self.few is None:
            self._append(bag, edits, number)
            return
        self.few.append((bag, edits, number))
        if len(self.few) >= FEW:
            for entry in self.few:
                self._append(*entry)
            self.few = None

    def near(self, bag: int) -> Sequence[int]:
        """The numbers of the strings whose bags allow that they are like one with this bag."""
        if self.few is not None:
            return [
                number for other, edits, number in self.few if (other ^ bag).bit_count() <= edits
            ]
        apart = np.bitwise_count(np.frombuffer(self.bags, np.uint64) ^ np.uint64(bag))
        places = (apart <= np.frombuffer(self.edits, np.uint8)).nonzero()[0]
        return [self.numbers[place] for place in places.tolist()]

    def _append(self, bag: int, edits: int, number: int) -> None:
        self.bags.append(bag)
        self.edits.append(edits)
        self.numbers.append(number)


class StringIndex:
    """Strings by first letter, and by each length at which another with that first letter can reach the ratio.

    `ratio` (0 to 100) is RapidFuzz's: insertions and deletions are at most the rest, as a share of both lengths. `near`
    gives every such string of at least `shortest` letters, and others whose letters are nearly the same.
    """

    def __init__(self, ratio: int, shortest: int) -> None:
        self.ratio = ratio
        self.shortest = shortest
        # By first letter: the greatest length of anything that may be like a string here.
        self.longest: dict[str, int] = {}
        # By first letter, then by the length of what is asked about.
        self._buckets: dict[str, dict[int, Bucket]] = {}

    def add(self, text: str, number: int) -> None:
        """Adds the text under its number, if it is long enough."""
        length = len(text)
        if length < self.shortest:
            return
        first = text[0]
        buckets = self._buckets.setdefault(first, {})
        bag = bag_of(text)
        for other in range(self.shortest, 2 * length + 1):
            edits = (100 - self.ratio) * (length + other) // 100
            # Lengths whose sum is even lie an even number of edits apart, others an odd number.
            edits -= (edits - length - other) % 2
            if abs(length - other) > edits:
                continue
            if other not in buckets:
                buckets[other] = Bucket()
            # A bag has 64 bits, so 255 allows everything.
            buckets[other].add(bag, min(edits, 255), number)
            self.longest[first] = max(self.longest.get(first, 0), other)

    def near(self, first: str, length: int, bag: int) -> Sequence[int]:
        """The numbers of the strings that may be like one with this first letter, length and bag."""
        buckets = self._buckets.get(first)
        bucket = buckets.get(length) if buckets else None
        return bucket.near(bag) if bucket else ()
