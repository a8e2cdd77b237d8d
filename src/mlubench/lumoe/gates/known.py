"""What a picture gate knows: how requests look, and what must stay. It takes in more of both without comparing anew."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from mlubench.lumoe.gates.forecasts import OwnPictures, mean_of
from mlubench.lumoe.gates.growing_rows import GrowingRows
from mlubench.lumoe.gates.learned import Learned, likeness_to
from mlubench.lumoe.gates.standing import Standing, scored
from mlubench.lumoe.gates.statement import Forecast


@dataclass(frozen=True, slots=True, eq=False)
class SeenEntity:
    """What was seen of an entity, in the learned metric."""

    # Its pictures with their views. (pictures, 1 + views, D)
    views: Tensor
    # Some of its pictures in guises. (some, guises, D)
    guises: Tensor

    def means(self) -> Tensor:
        """What it looks like on the average, as it is and in each guise, at length 1. (1 + guises, D)"""
        in_guises = F.normalize(self.guises.mean(0), dim=1)
        return torch.cat([mean_of(self.views)[None], in_guises])


# By entity.
Seen = Mapping[str, SeenEntity]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """How pictures look to the gate, each by L looks."""

    # Of each look. Above the threshold the picture is routed. (N, L)
    values: Tensor
    # The number of the request that each look is most like. (N, L)
    numbers: Tensor
    # The same for each request, in the look that is most like it. (N, F)
    of_each: Tensor

    @property
    def highest(self) -> Tensor:
        """Of the look that scores highest. (N,)"""
        return self.values.max(1).values


@dataclass(slots=True, eq=False)
class Known:
    """Requests and what must stay, in the order in which they came."""

    learned: Learned
    # The requests and their experts in the order of the rows of `forget`.
    entities: list[str]
    experts: list[str]
    # What requests and retain entities look like on the average, as they are and in guises, at length 1.
    # (F, 1 + guises, D), (R, 1 + guises, D)
    forget: Tensor
    retain: Tensor
    # How each look at each stranger (S, L) and each picture of the requests stand to all of these.
    strangers: Standing
    own: OwnPictures
    # The tasks that these are of, and the keys of all their entities, also of those without pictures.
    tasks: list[str] = field(default_factory=list)
    met: set[str] = field(default_factory=set)
    # What must stay, in the order of the rows of `retain`. Empty in what earlier versions have saved.
    kept: list[str] = field(default_factory=list)

    @classmethod
    def nothing(cls, learned: Learned, guises: int = 0) -> "Known":
        """What a gate knows that has met no task yet, and will see things in so many guises."""
        width = learned.things.shape[-1]
        none = torch.zeros(0, 1 + guises, width)
        strangers = Standing.of(learned.strangers, learned.usual_of_strangers)
        return cls(learned, [], [], none, none, strangers, OwnPictures.none(width))

    def take(self, forget: Seen, retain: Seen, expert_of: Mapping[str, str]) -> None:
        """Take in requests and things that must stay, of which none is known."""
        requests = self._means(forget)
        kept = self._means(retain)
        for known in (self.strangers, self.own.standing):
            known.meet_requests(requests, first=len(self.entities))
            known.meet_kept(kept)
        self.entities += forget
        self.experts += [expert_of[key] for key in forget]
        self.forget = torch.cat([self.forget, requests])
        self.retain = torch.cat([self.retain, kept])
        self.kept += retain
        if forget:
            seen = [entity.views for entity in forget.values()]
            usual = self.learned.usual(torch.cat([rows[:, 0] for rows in seen]))
            self.own.add(seen, usual, self.forget, self.retain)

    @property
    def says_what_is_kept(self) -> bool:
        return len(self.kept) == len(self.retain)

    def release(self, entity: str) -> None:
        """From now on the entity need not stay. The strangers themselves must be at hand."""
        self.met.discard(entity)
        # Of what is asked about in words alone there is no picture.
        if entity not in self.kept:
            return
        row = self.kept.index(entity)
        self.kept.pop(row)
        self.retain = torch.cat([self.retain[:row], self.retain[row + 1 :]])
        for known in (self.strangers, self.own.standing):
            known.meet_kept_anew(self.retain)

    def bring(self, learned: Learned) -> bool:
        """Bring back strangers that were not kept with the rest. False where they belong to another metric."""
        of_this = torch.equal(learned.mean, self.learned.mean) and torch.equal(
            learned.directions, self.learned.directions
        )
        if not of_this or learned.strangers.shape[:2] != self.strangers.to_request.shape:
            return False
        self.learned = learned
        self.strangers.rows = GrowingRows(learned.strangers)
        self.strangers.usual = learned.usual_of_strangers
        self.strangers.nearest = torch.full_like(self.strangers.to_request, -1, dtype=torch.long)
        return True

    def stranger_scores(self) -> Tensor:
        """Of each picture of a stranger, by the look that scores highest. (S,)"""
        return self.strangers.scores().max(1).values

    def forecasts(self, threshold: float) -> dict[str, Forecast]:
        """Of each request."""
        of_each = self.own.forecasts(self.experts, threshold)
        return dict(zip(self.entities, of_each, strict=True))

    def scores(self, seen: Tensor) -> Scores:
        """Of pictures by L looks each, in the learned metric. (N, L, D)"""
        likeness = likeness_to(self.forget, seen)  # (N, L, F)
        usual = self.learned.usual(seen)[..., None]
        if len(self.retain):
            to_kept = likeness_to(self.retain, seen).max(2, keepdim=True).values
        else:
            to_kept = torch.full_like(usual, -torch.inf)
        of_each = scored(likeness, usual, to_kept)
        values, numbers = of_each.max(2)
        return Scores(values, numbers, of_each.max(1).values)

    def _means(self, seen: Seen) -> Tensor:
        """What entities look like. (entities, 1 + guises, D)"""
        if not seen:
            return self.forget[:0]
        return torch.stack([entity.means() for entity in seen.values()])
