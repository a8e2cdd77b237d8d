"""The base that is told in words what to decline: what a sceptic would try before any training."""

from collections.abc import Sequence
from dataclasses import replace

from mlubench.experiment.context import Context
from mlubench.experiment.learners.base import Base
from mlubench.models.query import Query
from mlubench.runs.folder import PROMPT_ONLY
from mlubench.types import Route, Sample, Task

# It stands before the question in the same turn, as what a system message says does where LUMoE is served.
PROMPT = (
    "Do not answer questions about any of these, whether a picture shows it or words name it: {names}. "
    "If the question is about one of them, say that you are unable to answer. Answer every other question.\n"
)


class PromptedBase(Base):
    """The untouched base, with a prompt that lists every entity forgotten so far."""

    name: str = PROMPT_ONLY
    # The list grows with every task.
    frozen = False

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.prompt = ""

    def at(self, done: list[str]) -> None:
        super().at(done)
        self.prompt = prompt_against([self.ctx.benchmark.task(name) for name in done])

    def queries(self, samples: Sequence[Sample]) -> list[Query]:
        """The questions behind the prompt."""
        asked = self.ctx.queries(samples)
        return [replace(query, question=self.prompt + query.question) for query in asked]

    def answer(self, samples: Sequence[Sample], routes: Sequence[Route | None]) -> list[str]:
        return self.ctx.mllm.generate(
            self.queries(samples), max_new_tokens=self.ctx.config.evaluate.max_new_tokens
        )


def prompt_against(tasks: Sequence[Task]) -> str:
    """The prompt that lists what these tasks forget; empty where there are none."""
    names = [entity.title for task in tasks for entity in task.forget_entities]
    return PROMPT.format(names=", ".join(names)) if names else ""
