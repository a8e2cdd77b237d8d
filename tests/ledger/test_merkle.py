"""The tree of hashes: the published vectors, and proofs of every leaf and every growth of small trees."""

from itertools import combinations_with_replacement

import pytest

from mlubench.ledger.merkle import (
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    tree_root,
)

# The test data of the certificate-transparency project: eight leaves, and the root after each.
LEAVES = (
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
MOST = 19


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(bytes([number])) for number in range(count)]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    hashes = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES[:size]]
    assert tree_root(hashes).hex() == ROOTS[size]


def test_every_leaf_is_proved_and_nothing_else() -> None:
    for size in range(1, MOST):
        tree = leaves(size)
        root = tree_root(tree)
        for index in range(size):
            proof = inclusion_proof(tree, index)
            assert is_included(tree[index], index, size, proof, root)
            for other in range(size):
                assert other == index or not is_included(tree[index], other, size, proof, root)
            assert not is_included(leaf_hash(b"other"), index, size, proof, root)
            assert not is_included(tree[index], index, size, [*proof, root], root)
            assert not is_included(tree[index], index, size, proof[:-1], root) or not proof
            assert not is_included(tree[index], index, size, proof, leaf_hash(b"root"))
    assert not is_included(root, -1, 1, [], root)
    assert not is_included(root, 0, 0, [], root)


def test_every_growth_is_proved_and_nothing_else() -> None:
    tree = leaves(MOST)
    # The same, but for one leaf in each place.
    for earlier, later in combinations_with_replacement(range(MOST), 2):
        before = tree_root(tree[:earlier])
        after = tree_root(tree[:later])
        proof = consistency_proof(tree[:later], earlier)
        assert is_consistent(earlier, before, later, after, proof)
        for changed in range(earlier):
            other = [*tree[:changed], leaf_hash(b"other"), *tree[changed + 1 : later]]
            forged = consistency_proof(other, earlier)
            assert not is_consistent(earlier, before, later, tree_root(other), forged)
        if earlier < later:
            assert not is_consistent(later, after, earlier, before, proof)
            assert not is_consistent(earlier, before, later, after, [*proof, before])
        if proof:
            assert not is_consistent(earlier, before, later, after, proof[:-1])
            assert not is_consistent(earlier, leaf_hash(b"x"), later, after, proof)
