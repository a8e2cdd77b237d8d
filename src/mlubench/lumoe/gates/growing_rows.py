"""Rows of a matrix to which more are added one by one, without a copy of all for each."""

import torch
from torch import Tensor


class GrowingRows:
    """Rows (N, ...). There is room for more behind them, which is doubled when it is used up."""

    def __init__(self, rows: Tensor) -> None:
        self._room = rows
        self._count = len(rows)

    def __len__(self) -> int:
        return self._count

    @property
    def all(self) -> Tensor:
        """A view of all rows so far. (N, ...)"""
        return self._room[: self._count]

    def add(self, more: Tensor) -> None:
        count = self._count + len(more)
        if count > len(self._room):
            room = torch.empty(2 * count, *more.shape[1:], dtype=more.dtype)
            room[: self._count] = self.all
            self._room = room
        self._room[self._count : count] = more
        self._count = count
