"""What a picture gate is likely to miss, by the pictures of the requests themselves: each left out and asked about."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from mlubench.lumoe.gates.standing import Standing, scored
from mlubench.lumoe.gates.statement import Forecast


@dataclass(slots=True, eq=False)
class OwnPictures:
    """The pictures of all requests, one request behind the other, as they stand to everything but their own request."""

    standing: Standing
    # How like each is to its own request without it, guises left aside; -inf where the request has no other picture. (P,)
    to_own: Tensor
    # The number of pictures of each request.
    counts: list[int]

    @classmethod
    def none(cls, width: int) -> "OwnPictures":
        """Of no request, with rows of `width` numbers."""
        return cls(Standing.of(torch.zeros(0, width), torch.zeros(0)), torch.zeros(0), [])

    def owners(self) -> Tensor:
        """The number of each picture's request. (P,)"""
        return torch.repeat_interleave(torch.arange(len(self.counts)), torch.tensor(self.counts))

    def add(
        self,
        seen: Sequence[Tensor],
        usual: Tensor,
        requests: Tensor,
        kept: Tensor,
    ) -> None:
        """Take the pictures of some requests more.

        `seen` holds the pictures and views of each, (pictures, 1 + views, D); `usual` (P,) is of the pictures. `requests`
        (F, K, D) and `kept` (R, K, D) are what all requests, these the last of them, and all that must stay look like.
        """
        new = Standing.of(torch.cat([rows[:, 0] for rows in seen]), usual)
        counts = [len(rows) for rows in seen]
        numbers = torch.arange(len(requests) - len(seen), len(requests))
        new.meet_others(requests, torch.repeat_interleave(numbers, torch.tensor(counts)))
        new.meet_kept(kept)
        self.standing.add(new)
        self.to_own = torch.cat([self.to_own, *(_to_the_others(rows) for rows in seen)])
        self.counts += counts

    def missed(self, experts: Sequence[str], threshold: float) -> list[int]:
        """Of the pictures of each request, how many would not reach its expert, were they new. `experts` are by request."""
        if not self.counts:
            return []
        names = {name: number for number, name in enumerate(dict.fromkeys(experts))}
        expert = torch.tensor([names[name] for name in experts])
        owners = self.owners()
        others = self.standing
        # Where there is no other request at all, `nearest` is -1, and the own one is the likest.
        right = (self.to_own >= others.to_request) | (expert[others.nearest] == expert[owners])
        likest = torch.maximum(self.to_own, others.to_request)
        reached = right & (scored(likest, others.usual, others.to_kept) > threshold)
        missed = torch.bincount(owners[~reached], minlength=len(self.counts))
        return [int(number) for number in missed.tolist()]

    def forecasts(self, experts: Sequence[str], threshold: float) -> list[Forecast]:
        """Of each request."""
        missed = self.missed(experts, threshold)
        return [_forecast(*of_one) for of_one in zip(self.counts, missed, strict=True)]


# Of a thousand requests most are alike in this, and to make that many anew takes longer than all else.
@cache
def _forecast(pictures: int, missed: int) -> Forecast:
    # A request of one picture has no other that would know it.
    leak = None if pictures < 2 else missed / pictures
    return Forecast(leak=leak, pictures=pictures)


def mean_of(rows: Tensor) -> Tensor:
    """What pictures and their views (pictures, 1 + views, D) look like on the average, at length 1. (D,)"""
    return F.normalize(rows.mean((0, 1)), dim=0)


def _to_the_others(rows: Tensor) -> Tensor:
    """How like each picture (pictures, 1 + views, D) is to the mean of the others and their views. (pictures,)"""
    if len(rows) < 2:
        return torch.full((len(rows),), -torch.inf)
    of_each = rows.sum(1)
    others = F.normalize(of_each.sum(0) - of_each, dim=1)
    return (rows[:, 0] * others).sum(1)
