"""A gate without any training: a query hits a request whose own examples look like its picture, or whose name it says.

It is no row of the table of gates: it is what methods are held against, made anew from the examples in seconds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from mlubench.lumoe.gates.base import Features, GateQuery
from mlubench.lumoe.gates.mention import MentionGate
from mlubench.lumoe.gates.prototype import pictures_by_entity
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route, Task

# One example does not say how unlike its request's pictures are: then a copy of it alone is a hit.
SAME = 1 - 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What is known of an entity that is to be forgotten."""

    entity: str
    task: str
    # Its example pictures, at length 1. (n, D)
    examples: Tensor
    # A picture at least so like one of them is a hit; a cosine.
    threshold: float

    @property
    def stated_miss_rate(self) -> float:
        """At most this share of new pictures of the entity is missed: see `threshold_of_examples`."""
        return 1 / (len(self.examples) + 1)


def threshold_of_examples(examples: Tensor) -> float:
    """The least leave-one-out likeness: how like each example is to the likest of the others, and of these the lowest.

    `examples` (n, D) have length 1. Where a new picture is drawn as they were, it is less like all of them than this with
    a chance of 1 / (n + 1) at most: it would have to be the least like of n + 1, of which each is equally likely to be
    that one. Nothing is stated of pictures of other things, of which the rule knows none.
    """
    if len(examples) < 2:
        return SAME
    likeness = examples @ examples.T
    likeness.fill_diagonal_(-math.inf)
    return float(likeness.max(1).values.min())


class TrainingFreeGate:
    """Requests by their examples and names; nothing is fitted, and a request never changes another."""

    local = True

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.names = MentionGate()
        self.tasks: list[Task] = []

    def take(
        self, task: Task, benchmark: Benchmark, features: Features, config: GateConfig
    ) -> list[Request]:
        """Take in a task: look at its example pictures once, and read its names. Returns its requests with pictures.

        Pictures that only test are no examples.
        """
        new = []
        for entity, samples in pictures_by_entity(task.forget).items():
            found = [benchmark.picture(sample) for sample in samples]
            examples = _looks([path for path in found if path is not None], features)
            new.append(Request(entity, task.name, examples, threshold_of_examples(examples)))
        self.requests += new
        self.tasks.append(task)
        self.names.fit_next(self.tasks, benchmark, features, config)
        return new

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        """One route for each query, in order, as `Gate.route`. The experts are the tasks that are hit."""
        shown = dict.fromkeys(query.image for query in queries if query.image is not None)
        pictures = list(shown)
        by_picture: dict[Path | None, Route] = {None: Route((), None, 0.0, "no picture")}
        if pictures and self.requests:
            by_picture |= dict(zip(pictures, self._by_picture(pictures, features), strict=True))
        nothing = Route((), None, 0.0, "no examples")
        by_text = self.names.route(queries, features)
        found = []
        for query, text in zip(queries, by_text, strict=True):
            found.append(_either(by_picture.get(query.image, nothing), text))
        return found

    def _by_picture(self, pictures: Sequence[Path], features: Features) -> list[Route]:
        looks = _looks(pictures, features)
        # How far each picture is above the threshold of each request. (N, requests)
        above = torch.stack(
            [(looks @ r.examples.T).max(1).values - r.threshold for r in self.requests], 1
        )
        return [self._route(of_picture) for of_picture in above]

    def _route(self, above: Tensor) -> Route:
        number = int(above.argmax())
        nearest = self.requests[number]
        score = float(above[number])
        why = f"likeness {nearest.threshold + score:.3f}, threshold {nearest.threshold:.3f} of {nearest.entity}"
        hits = (above >= 0).nonzero()[:, 0].tolist()
        tasks = sorted({self.requests[hit].task for hit in hits})
        return Route(tuple(tasks), nearest.entity if tasks else None, score, why)


def _looks(pictures: Sequence[Path], features: Features) -> Tensor:
    """Features of pictures at length 1, so that a product of two is their cosine. (N, D)"""
    return F.normalize(features(pictures).double(), dim=1)


def _either(picture: Route, text: Route) -> Route:
    experts = tuple(sorted({*picture.experts, *text.experts}))
    score = max(picture.score, text.score) if text.experts else picture.score
    why = f"picture: {picture.why}; text: {text.why}"
    return Route(experts, picture.entity or text.entity, score, why)
