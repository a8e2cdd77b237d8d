"""Strings filed so that all which may be as like a given one as a ratio says are found without a look at the others."""

from array import array
from collections.abc import Sequence

import numpy as np

FEW = 48  # entries up to which a plain loop is faster than numpy
MANY = 8192  # entries from which a file is kept in order
HALF = 0x55555555_55555555  # every other bit of a bag


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


def balance(bag: int) -> int:
    """Bits of the bag in one half of all, less those in the other, plus 32: 0 to 64. An edit changes it by one at most."""
    return (bag & HALF).bit_count() - (bag & ~HALF).bit_count() + 32


class File:
    """What may be like a string of one first letter and length: bags, insertions and deletions allowed, numbers.

    Many entries are put in the order of their bags' balance, so that only those whose balance is near are compared. Added
    ones come behind them until they are an eighth of all.
    """

    __slots__ = ("bags", "edits", "few", "most", "numbers", "starts")

    def __init__(self) -> None:
        self.few: list[tuple[int, int, int]] | None = []
        self.bags, self.edits, self.numbers = array("Q"), array("B"), array("I")
        self.most = 0  # edits of any entry
        self.starts = [0] * 66  # of the entries in order, by balance

    def add(self, bag: int, edits: int, number: int) -> None:
        self.most = max(self.most, edits)
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
            return [number for other, edits, number in self.few if (other ^ bag).bit_count() <= edits]
        if len(self.bags) >= MANY and 8 * len(self.bags) > 9 * self.starts[-1]:
            self._order()
        middle = balance(bag)
        ordered = self.starts[max(middle - self.most, 0)], self.starts[min(middle + self.most, 64) + 1]
        found: list[int] = []
        for start, stop in (ordered, (self.starts[-1], len(self.bags))):
            if start < stop:
                bags = np.frombuffer(self.bags, np.uint64)[start:stop]
                edits = np.frombuffer(self.edits, np.uint8)[start:stop]
                which = (np.bitwise_count(bags ^ np.uint64(bag)) <= edits).nonzero()[0]
                found += [self.numbers[start + n] for n in which.tolist()]
        return found

    def _order(self) -> None:
        bags = np.array(self.bags, np.uint64)
        half = np.bitwise_count(bags & np.uint64(HALF)).astype(np.int64)
        balances = 2 * half - np.bitwise_count(bags) + 32
        order = np.argsort(balances, kind="stable")
        self.bags = array("Q", bags[order].tobytes())
        self.edits = array("B", np.array(self.edits, np.uint8)[order].tobytes())
        self.numbers = array("I", np.array(self.numbers, np.uint32)[order].tobytes())
        self.starts = np.searchsorted(balances[order], np.arange(66)).tolist()


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
            edits -= (edits - length - other) % 2  # two lengths of the same parity are an even number of edits apart
            if abs(length - other) <= edits:
                if other not in files:
                    files[other] = File()
                files[other].add(bag, min(edits, 255), number)
                self.reach[text[0]] = max(self.reach.get(text[0], 0), other)
