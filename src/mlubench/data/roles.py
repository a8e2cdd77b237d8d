"""Which pictures train, which set thresholds, which only test: by picture, so that nothing is tested on what it saw."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

from mlubench.types import Role

# Of six pictures, the official number for each fact. The order breaks ties.
SHARES: dict[Role, int] = {"fit": 3, "test": 2, "calibrate": 1}
_WHOLE = sum(SHARES.values())


def assign_roles(pictures_of: Mapping[str, Iterable[str]], *, seed: int) -> dict[str, Role]:
    """The role of every picture, given the pictures of every fact.

    Pictures are shared between facts, so the shares of a fact are met about, not exactly; a fact with three pictures or
    more gets every role unless its neighbours forbid it. With two pictures a fact has no `calibrate`, with one only
    `fit`. The outcome depends on the seed and on the sets, never on an order.
    """
    facts = {fact: frozenset(pictures) for fact, pictures in pictures_of.items()}
    facts_of: dict[str, list[str]] = {}
    for fact in sorted(facts):
        for picture in facts[fact]:
            facts_of.setdefault(picture, []).append(fact)
    order = sorted(facts_of, key=lambda picture: (_draw(seed, picture), picture))
    tallies = {fact: _Tally(len(pictures)) for fact, pictures in facts.items()}
    tallies_of: dict[str, list[_Tally]] = {}
    for picture in order:
        tallies_of[picture] = [tallies[fact] for fact in facts_of[picture]]

    # First each picture takes the role that its facts lack most.
    roles: dict[str, Role] = {}
    for picture in order:
        affected = tallies_of[picture]
        deficits = {role: sum(tally.deficit(role) for tally in affected) for role in SHARES}
        # `max` takes the first of equal ones: the order of SHARES.
        role = max(SHARES, key=deficits.__getitem__)
        roles[picture] = role
        for tally in affected:
            tally.have[role] += 1

    # Then pictures change their roles as long as that helps. It ends: every change lowers the summed price of all facts.
    moved = True
    while moved:
        moved = False
        for picture in order:
            if _repair(picture, roles, tallies_of[picture]):
                moved = True
    return roles


def lacking(
    pictures_of: Mapping[str, Iterable[str]], roles: Mapping[str, Role]
) -> dict[str, set[Role]]:
    """The facts that lack a role though they have a picture for each, with the roles they lack."""
    found: dict[str, set[Role]] = {}
    for fact, pictures in pictures_of.items():
        distinct = set(pictures)
        missing = set(SHARES) - {roles[p] for p in distinct}
        if missing and len(distinct) >= len(SHARES):
            found[fact] = missing
    return found


class _Tally:
    """How many pictures of one fact have which role."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.have: Counter[Role] = Counter()

    def deficit(self, role: Role) -> int:
        """How many pictures the role lacks (below 0: has too many), in sixths of one so that it stays whole."""
        return SHARES[role] * self.size - _WHOLE * self.have[role]

    def price(self) -> tuple[int, int]:
        """(roles lacking, squared deficits): a lacking role outweighs every uneven share."""
        lacks = 0
        # With fewer pictures than roles something is always lacking, and no move can help.
        if self.size >= len(SHARES):
            lacks = sum(not self.have[role] for role in SHARES)
        return lacks, sum(self.deficit(role) ** 2 for role in SHARES)


def _draw(seed: int, picture: str) -> bytes:
    """Bytes to order pictures by: from its path alone, so that other pictures do not change which comes first."""
    return hashlib.sha256(f"role\0{seed}\0{picture}".encode("utf-8", "surrogatepass")).digest()


def _price(tallies: list[_Tally]) -> tuple[int, int]:
    """The summed price of some facts. Tuples compare by their first number, then by the second."""
    total_lacks = 0
    total_squares = 0
    for tally in tallies:
        lacks, squares = tally.price()
        total_lacks += lacks
        total_squares += squares
    return total_lacks, total_squares


def _move(tallies: list[_Tally], old: Role, new: Role) -> None:
    """Count one picture of these facts under another role."""
    for tally in tallies:
        tally.have[old] -= 1
        tally.have[new] += 1


def _repair(picture: str, roles: dict[str, Role], tallies: list[_Tally]) -> bool:
    """Move one picture to the role that is cheapest for its facts; whether it moved."""
    old = roles[picture]
    best = old
    lowest = _price(tallies)
    for role in SHARES:
        # Try the role, and take it back.
        _move(tallies, old, role)
        price = _price(tallies)
        _move(tallies, role, old)
        if price < lowest:
            best = role
            lowest = price
    if best == old:
        return False
    _move(tallies, old, best)
    roles[picture] = best
    return True
