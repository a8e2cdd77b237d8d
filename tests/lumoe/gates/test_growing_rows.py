"""Rows that grow are those that were added, in their order, and are seldom copied."""

import torch

from mlubench.lumoe.gates.growing_rows import GrowingRows


def test_rows_are_all_that_were_added() -> None:
    first = torch.arange(6.0).reshape(3, 2)
    rows = GrowingRows(first)
    added = [first]
    for number in range(1, 20):
        more = torch.full((number % 3, 2), float(number))
        rows.add(more)
        added.append(more)
        assert torch.equal(rows.all, torch.cat(added))
        assert len(rows) == len(torch.cat(added))
    assert torch.equal(first, torch.arange(6.0).reshape(3, 2))


def test_they_are_copied_a_few_times_only() -> None:
    rows = GrowingRows(torch.zeros(0, 4))
    places = set()
    for _ in range(1000):
        rows.add(torch.ones(1, 4))
        places.add(rows.all.data_ptr())
    assert len(rows) == 1000
    assert len(places) <= 10
