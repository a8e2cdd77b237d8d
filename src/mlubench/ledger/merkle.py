"""A tree of hashes over the entries, as in certificate transparency: RFC 6962, in the words of RFC 9162, section 2.1.

Its root stands for all entries. A short proof shows that an entry is one of them, or that a longer ledger begins with a
shorter one, to somebody who holds no other entry.
"""

import hashlib
from collections.abc import Sequence

Hash = bytes  # 32 bytes, SHA-256


def leaf_hash(data: bytes) -> Hash:
    """A leaf of the tree. The first byte keeps leaves and nodes apart."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(leaves: Sequence[Hash]) -> Hash:
    """The root over leaf hashes (RFC 9162, 2.1.1)."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = _largest_power_below(len(leaves))
    return node_hash(tree_root(leaves[:split]), tree_root(leaves[split:]))


def inclusion_proof(leaves: Sequence[Hash], index: int) -> list[Hash]:
    """The hashes that lead from one leaf to the root, from the leaf up (RFC 9162, 2.1.3.1)."""
    if len(leaves) == 1:
        return []
    split = _largest_power_below(len(leaves))
    if index < split:
        return [*inclusion_proof(leaves[:split], index), tree_root(leaves[split:])]
    return [*inclusion_proof(leaves[split:], index - split), tree_root(leaves[:split])]


def is_included(leaf: Hash, index: int, size: int, proof: Sequence[Hash], root: Hash) -> bool:
    """Whether the leaf is at this index of the tree with this root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place = index
    last = size - 1
    found = leaf
    for sibling in proof:
        if last == 0:
            return False
        if place % 2 == 1 or place == last:
            found = node_hash(sibling, found)
            place, last = _up_to_a_right_child(place, last)
        else:
            found = node_hash(found, sibling)
        place //= 2
        last //= 2
    return last == 0 and found == root


def consistency_proof(leaves: Sequence[Hash], size: int) -> list[Hash]:
    """The hashes that show that the first `size` leaves made a tree that this one grew from (RFC 9162, 2.1.4.1)."""
    if size in (0, len(leaves)):
        return []
    return _subproof(leaves, size, known=True)


def _subproof(leaves: Sequence[Hash], size: int, *, known: bool) -> list[Hash]:
    """`known`: these leaves begin where the tree does, so whoever checks has the root of the first `size` of them."""
    if size == len(leaves):
        return [] if known else [tree_root(leaves)]
    split = _largest_power_below(len(leaves))
    if size <= split:
        return [*_subproof(leaves[:split], size, known=known), tree_root(leaves[split:])]
    return [*_subproof(leaves[split:], size - split, known=False), tree_root(leaves[:split])]


def is_consistent(
    earlier: int, earlier_root: Hash, later: int, later_root: Hash, proof: Sequence[Hash]
) -> bool:
    """Whether the tree of `later` leaves begins with that of `earlier` leaves (RFC 9162, 2.1.4.2)."""
    if earlier > later:
        return False
    if earlier == later:
        return not proof and earlier_root == later_root
    if earlier == 0:
        # Every tree grew from the empty one.
        return not proof and earlier_root == tree_root([])
    # Where the earlier tree is one whole subtree of the later one, its root is not repeated in the proof.
    path = [earlier_root, *proof] if _is_power_of_two(earlier) else list(proof)
    if not path:
        return False
    place = earlier - 1
    last = later - 1
    while place % 2 == 1:
        place //= 2
        last //= 2
    earlier_found = later_found = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place % 2 == 1 or place == last:
            earlier_found = node_hash(sibling, earlier_found)
            later_found = node_hash(sibling, later_found)
            place, last = _up_to_a_right_child(place, last)
        else:
            later_found = node_hash(later_found, sibling)
        place //= 2
        last //= 2
    return last == 0 and earlier_found == earlier_root and later_found == later_root


def _up_to_a_right_child(place: int, last: int) -> tuple[int, int]:
    """Levels at which the last node has no sibling are passed over."""
    while place != 0 and place % 2 == 0:
        place //= 2
        last //= 2
    return place, last


def _largest_power_below(count: int) -> int:
    """The largest power of two that is smaller than `count`, which is 2 or more."""
    return 1 << ((count - 1).bit_length() - 1)


def _is_power_of_two(count: int) -> bool:
    return count & (count - 1) == 0
