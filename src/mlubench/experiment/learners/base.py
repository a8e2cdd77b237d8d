"""What a learner is, and the simplest of them: the base before any unlearning."""

from collections.abc import Sequence
from typing import Protocol

from mlubench.experiment.context import Context
from mlubench.lumoe.engine.looking_again import Reply
from mlubench.models.adapters import remove_adapters
from mlubench.models.probe import answer_probabilities
from mlubench.types import Route, Sample, SecondLook, Task


class Learner(Protocol):
    """A method in the sequence."""

    name: str
    # Whether what `answer` says depends on the query and the experts alone, whatever was learned later.
    frozen: bool
    # Whether a batch may hold rows for different experts. On a sharded base it may not: there all processes have to
    # make the same number of passes.
    mixed: bool

    def at(self, done: list[str]) -> None:
        """Be the state archived after these tasks."""

    def learn(self, task: Task) -> None:
        """Unlearn the task from the present state and archive the outcome."""

    def routes(self, samples: Sequence[Sample]) -> list[Route | None]: ...

    def answer(self, samples: Sequence[Sample], routes: Sequence[Route | None]) -> list[str]:
        """What the model says, before any second look."""

    def second_looks(
        self, samples: Sequence[Sample], routes: Sequence[Route | None], drafts: Sequence[str]
    ) -> list[SecondLook | None]:
        """For each draft why it must not leave and who is to answer instead; None where it may leave."""

    def settled(
        self,
        samples: Sequence[Sample],
        routes: Sequence[Route | None],
        looks: Sequence[SecondLook],
        texts: Sequence[str],
    ) -> list[Reply]:
        """What leaves of the texts that were answered instead of drafts. `routes` are those of the drafts."""

    def truth_probabilities(
        self, samples: Sequence[Sample], routes: Sequence[Route | None]
    ) -> Sequence[float | None]:
        """How probable each sample's truth is to the model that answers it; None where no model does."""


class Base:
    """The base before any unlearning: the level that everything is compared with.

    The other learners inherit from it how a model without a gate is asked.
    """

    name = "base"
    frozen = True

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        # See `Learner.mixed`.
        self.mixed = not ctx.mllm.sharded

    def at(self, done: list[str]) -> None:
        remove_adapters(self.ctx.mllm)

    def learn(self, task: Task) -> None:
        raise AssertionError("the base never learns")

    def routes(self, samples: Sequence[Sample]) -> list[Route | None]:
        return [None] * len(samples)

    def answer(self, samples: Sequence[Sample], routes: Sequence[Route | None]) -> list[str]:
        return self.ctx.mllm.generate(
            self.ctx.queries(samples), max_new_tokens=self.ctx.config.evaluate.max_new_tokens
        )

    def second_looks(
        self,
        samples: Sequence[Sample],
        routes: Sequence[Route | None],
        drafts: Sequence[str],
    ) -> list[SecondLook | None]:
        return [None] * len(samples)

    def settled(
        self,
        samples: Sequence[Sample],
        routes: Sequence[Route | None],
        looks: Sequence[SecondLook],
        texts: Sequence[str],
    ) -> list[Reply]:
        raise AssertionError("nothing was held back")

    def truth_probabilities(
        self, samples: Sequence[Sample], routes: Sequence[Route | None]
    ) -> Sequence[float | None]:
        return answer_probabilities(
            self.ctx.mllm, self.ctx.queries(samples), [s.truth for s in samples]
        )
