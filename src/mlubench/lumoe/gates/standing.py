"""How like rows are to what a gate knows, kept while it learns more: what it knew before is not compared again.

A score needs two numbers of a row besides its own: how like it is to the nearest request, and to the nearest thing that
must stay. Both are largest values, and a largest value takes in one more without the others.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mlubench.lumoe.gates.growing_rows import GrowingRows
from mlubench.lumoe.gates.learned import likeness_to

# What a row scores less where it is more like something that must stay: below every threshold, as likeness is -1 to 1.
VETO = 2.0


def scored(likeness: Tensor, usual: Tensor, to_kept: Tensor) -> Tensor:
    """The score of rows by their likeness to a request, to other things on the average, and to what must stay.

    The shapes are equal, or spread to one. A score never falls where likeness rises, so that of the most alike request is
    the highest.
    """
    vetoed = likeness - to_kept - VETO
    return torch.where(to_kept > likeness, vetoed, likeness - usual)


@dataclass(slots=True, eq=False)
class Standing:
    """Rows at length 1, and how they stand to all that the gate knows. All float32, but for `nearest`."""

    # (..., D)
    rows: GrowingRows
    # How like each is to the other things that it is most like: see `Learned.usual`. (...)
    usual: Tensor
    # The likeness to the nearest request (...), which is -inf where there is none, and that request's number.
    to_request: Tensor
    nearest: Tensor
    # The likeness to the nearest thing that must stay, -inf where nothing must. (...)
    to_kept: Tensor

    @classmethod
    def of(cls, rows: Tensor, usual: Tensor) -> "Standing":
        """As rows stand to a gate that knows nothing yet."""
        nothing = torch.full_like(usual, -torch.inf)
        nobody = torch.full_like(usual, -1, dtype=torch.long)
        return cls(GrowingRows(rows), usual, nothing, nobody, nothing.clone())

    def meet_requests(self, means: Tensor, first: int) -> None:
        """Take in requests by what they look like (F, K, D); the first of them has the number `first`."""
        if len(means):
            self._meet(likeness_to(means, self.rows.all), first)

    def meet_others(self, means: Tensor, own: Tensor) -> None:
        """Take in all requests (F, K, D) but each row's own, whose numbers are `own` (...)."""
        likeness = likeness_to(means, self.rows.all)
        likeness.scatter_(-1, own[..., None], -torch.inf)
        self._meet(likeness, 0)

    def meet_kept(self, means: Tensor) -> None:
        """Take in things that must stay, by what they look like. (R, K, D)"""
        if len(means):
            likest = likeness_to(means, self.rows.all).max(-1).values
            self.to_kept = torch.maximum(self.to_kept, likest)

    def meet_kept_anew(self, means: Tensor) -> None:
        """The same, in the place of all that was said to stay before."""
        self.to_kept = torch.full_like(self.to_kept, -torch.inf)
        self.meet_kept(means)

    def _meet(self, likeness: Tensor, first: int) -> None:
        """`likeness` is to each of some requests. (N, F)"""
        likest, number = likeness.max(-1)
        # Of equally like requests the earlier one stays.
        nearer = likest > self.to_request
        self.nearest = torch.where(nearer, number + first, self.nearest)
        self.to_request = torch.maximum(self.to_request, likest)

    def add(self, more: "Standing") -> None:
        """Take rows more, which stand to all that is known."""
        self.rows.add(more.rows.all)
        self.usual = torch.cat([self.usual, more.usual])
        self.to_request = torch.cat([self.to_request, more.to_request])
        self.nearest = torch.cat([self.nearest, more.nearest])
        self.to_kept = torch.cat([self.to_kept, more.to_kept])

    def scores(self) -> Tensor:
        """By the nearest request. (...)"""
        return scored(self.to_request, self.usual, self.to_kept)
