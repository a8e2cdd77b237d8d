"""Batches dealt out to processes. Two real ones are tested in experiment/test_two_processes.py."""

import pytest
import torch

from mlubench.core import processes
from mlubench.unlearning.data_parallel import Share, join_views, loss_to_backward, shares
from mlubench.unlearning.methods.base import View

ITEMS = [{"forget": n} for n in range(7)]  # what a share holds is not looked into


def numbers(share: Share) -> list[int]:
    return [item["forget"] for item in share.items]


def test_one_process_takes_whole_batches() -> None:
    assert [numbers(s) for s in shares(ITEMS, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert not any(s.idle for s in shares(ITEMS, 3))


def test_each_batch_is_dealt_to_all_and_none_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "world", lambda: 2)
    dealt = shares(ITEMS, 3)
    assert [numbers(s) for s in dealt] == [[0, 2], [1], [3, 5], [4], [6], [6]]
    assert [s.idle for s in dealt] == [False] * 5 + [True]
    assert sorted(n for s in dealt if not s.idle for n in numbers(s)) == list(range(7))


def test_an_idle_process_takes_part_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "world", lambda: 2)
    logps, loss = torch.ones(2, requires_grad=True), torch.ones((), requires_grad=True)
    view = View(logps[:, None], torch.ones(2, 1, dtype=torch.bool), logps)
    loss_to_backward(loss, {"forget": view}, idle=True).backward()
    assert logps.grad is not None
    assert logps.grad.tolist() == [0.0, 0.0]
    assert loss.grad == 2.0  # the usual average over two processes halves it


def test_alone_nothing_is_gathered() -> None:
    views = {"forget": View(torch.zeros(1, 1), torch.ones(1, 1, dtype=torch.bool), torch.zeros(1))}
    assert join_views(views, idle=False) is views
