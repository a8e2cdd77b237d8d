"""Nearest prototypes among very many, which may be added at any time without building anything anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

FULL = 512  # rows at which a cell is divided
PROBES = 16  # cells looked into: all of them, so that the search is exact, while there are no more
SPARE = 8  # candidates a query beyond those asked for, as float32 sums may order near ties wrongly
ROUNDS = 8  # of 2-means, when a cell is divided
BATCH = 16384  # rows added at once, which bounds the table of their distances to all centres


@dataclass(frozen=True, slots=True)
class _Cell:
    """Prototypes that lie together: rows (n, D), their squared norms (n,) and their numbers (n,)."""

    rows: Floats
    squares: Floats
    numbers: Ints

    def take(self, which: npt.NDArray[np.bool_]) -> "_Cell":
        return _Cell(self.rows[which], self.squares[which], self.numbers[which])

    def joined(self, more: "_Cell") -> "_Cell":
        return _Cell(
            np.concatenate([self.rows, more.rows]),
            np.concatenate([self.squares, more.squares]),
            np.concatenate([self.numbers, more.numbers]),
        )


class Nearest:
    """Rows of D features, numbered in the order in which they were added; distances are Euclidean.

    An inverted file: rows lie in cells around their means. A query looks into the `probes` cells whose centres are nearest
    and compares itself with every row there. A cell that is full is divided in two, so the file grows without being
    built again. With as many probes as cells the search is exact.
    """

    def __init__(self, features: int, *, probes: int = PROBES) -> None:
        self.probes = probes
        self._centres = np.zeros((1, features), np.float32)
        empty = np.zeros(0, np.float32)
        self._cells = [_Cell(np.zeros((0, features), np.float32), empty, np.zeros(0, np.int64))]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def exact(self) -> bool:
        """Whether every search looks at all rows."""
        return len(self._cells) <= self.probes

    def add(self, rows: Tensor) -> None:
        """Takes rows (N, D) more; they get the next numbers. Raises ValueError for another D or what is not finite."""
        new = np.ascontiguousarray(rows.detach().cpu().numpy(), dtype=np.float32)
        if new.ndim != 2 or new.shape[1] != self._centres.shape[1] or not np.isfinite(new).all():
            raise ValueError(f"got {new.shape}; rows are (N, {self._centres.shape[1]}) and finite")
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            numbers = np.arange(self._count, self._count + len(batch))
            self._add(_Cell(batch, _squares(batch), numbers))
            self._count += len(batch)

    def _add(self, new: _Cell) -> None:
        """Puts each row into the cell of its nearest centre, and divides the cells that are full then."""
        squares = _squares(self._centres)
        # Of the squared distance |r|^2 - 2 r.c + |c|^2 the first part is the same for all centres.
        nearest = (squares - 2 * new.rows @ self._centres.T).argmin(1)
        order = np.argsort(nearest, kind="stable")
        cells, starts = np.unique(nearest[order], return_index=True)
        new_centres: list[Floats] = []
        for cell, members in zip(cells.tolist(), np.split(order, starts[1:]), strict=True):
            part = _Cell(new.rows[members], new.squares[members], new.numbers[members])
            first, *others = _divided(self._cells[cell].joined(part))
            self._cells[cell] = first
            self._centres[cell] = first.rows.mean(0)
            for other in others:
                self._cells.append(other)
                new_centres.append(other.rows.mean(0))
        if new_centres:
            self._centres = np.concatenate([self._centres, np.stack(new_centres)])

    def search(self, rows: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
        """Distances (N, k), float64 and rising, and numbers (N, k) of the nearest rows; inf and -1 beyond the last."""
        queries = np.ascontiguousarray(rows.detach().cpu().numpy(), dtype=np.float32)
        distances = np.full((len(queries), k), np.inf)
        numbers = np.full((len(queries), k), -1)
        squares = _squares(self._centres)
        for n, query in enumerate(queries):
            found_distances, found_numbers = self._search(query, k, squares)
            distances[n, : len(found_distances)] = found_distances
            numbers[n, : len(found_numbers)] = found_numbers
        return torch.from_numpy(distances), torch.from_numpy(numbers)

    def _search(
        self, query: Floats, k: int, squares: Floats
    ) -> tuple[npt.NDArray[np.float64], Ints]:
        """`squares` are the squared norms of the centres."""
        chosen: Sequence[int] = range(len(self._cells))
        if not self.exact:
            apart = squares - 2 * (self._centres @ query)
            chosen = np.argpartition(apart, self.probes)[: self.probes].tolist()
        cells = [self._cells[number] for number in chosen if len(self._cells[number].numbers)]
        if not cells:
            return np.zeros(0), np.zeros(0, np.int64)
        # First all rows by a fast float32 sum, then the best of them exactly.
        twice = 2 * query
        roughly = np.concatenate([cell.squares - cell.rows @ twice for cell in cells])
        candidates = np.arange(len(roughly))
        if len(roughly) > k + SPARE:
            candidates = np.argpartition(roughly, k + SPARE)[: k + SPARE]
        rows, numbers = _picked(cells, candidates)
        away = rows - query.astype(np.float64)
        distances = np.sqrt(_squares(away))
        order = np.lexsort((numbers, distances))[:k]  # of equal distances the earlier row first
        return distances[order], numbers[order]

    def save(self, path: Path) -> None:
        """One safetensors file: the rows by cell, so that nothing is built anew when it is read."""
        parts = {
            "centres": self._centres,
            "sizes": np.array([len(cell.numbers) for cell in self._cells]),
            "rows": np.concatenate([cell.rows for cell in self._cells]),
            "numbers": np.concatenate([cell.numbers for cell in self._cells]),
        }
        save_file(parts, path)

    @classmethod
    def load(cls, path: Path, *, probes: int = PROBES) -> "Nearest":
        parts = load_file(path)
        rows = parts["rows"]
        cuts = np.cumsum(parts["sizes"])[:-1]
        rows_by_cell = np.split(rows, cuts)
        squares_by_cell = np.split(_squares(rows), cuts)
        numbers_by_cell = np.split(parts["numbers"], cuts)
        made = cls(parts["centres"].shape[1], probes=probes)
        made._centres = parts["centres"]
        made._count = len(parts["numbers"])
        made._cells = [
            _Cell(*columns)
            for columns in zip(rows_by_cell, squares_by_cell, numbers_by_cell, strict=True)
        ]
        return made


def _squares(rows: npt.NDArray[np.floating]) -> npt.NDArray[Any]:
    """The squared norm of each row. (N,)"""
    return np.asarray(np.einsum("nd,nd->n", rows, rows))


def _picked(cells: Sequence[_Cell], which: Ints) -> tuple[Floats, Ints]:
    """Rows and numbers at these places of the cells put one behind the other."""
    if len(cells) == 1:
        return cells[0].rows[which], cells[0].numbers[which]
    ends = np.cumsum([len(cell.numbers) for cell in cells])
    rows: list[Floats] = []
    numbers: list[int] = []
    for place, number in zip(which, np.searchsorted(ends, which, side="right"), strict=True):
        cell = cells[number]
        # Less the end of its cell a place is negative, and so counts from there.
        rows.append(cell.rows[place - ends[number]])
        numbers.append(cell.numbers[place - ends[number]])
    return np.stack(rows), np.array(numbers)


def _divided(cell: _Cell) -> list[_Cell]:
    """The cell, or the cells that it falls into by 2-means until none is too full."""
    remaining = [cell]
    done: list[_Cell] = []
    while remaining:
        cell = remaining.pop()
        if len(cell.numbers) < FULL:
            done.append(cell)
            continue
        upper = _side(cell.rows)
        remaining += [cell.take(upper), cell.take(~upper)]
    return done


def _side(rows: Floats) -> npt.NDArray[np.bool_]:
    """Which of two clusters each row is of; two halves where the rows have no two."""
    centre = rows.mean(0)
    farthest = rows[((rows - centre) ** 2).sum(1).argmax()]
    direction = farthest - centre
    upper = (rows - centre) @ direction > 0
    for _ in range(ROUNDS):
        if not 0 < upper.sum() < len(rows):
            break
        one = rows[upper].mean(0)
        other = rows[~upper].mean(0)
        # Nearer to `one` than to `other`: beyond the plane halfway between them.
        upper = rows @ (one - other) > (one @ one - other @ other) / 2
    smaller = min(upper.sum(), (~upper).sum())
    if smaller < len(rows) // 16:
        # A far row alone would make a cell of its own each time.
        upper = np.zeros(len(rows), bool)
        upper[np.argsort(rows @ direction, kind="stable")[len(rows) // 2 :]] = True
    return upper
