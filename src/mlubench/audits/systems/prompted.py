"""The base that is told in words what to decline."""

from collections.abc import Sequence

from mlubench.audits.attack import Ask
from mlubench.audits.systems.queries import query_of
from mlubench.audits.systems.system import Said, System
from mlubench.experiment.learners.base import Base
from mlubench.experiment.learners.prompted import prompt_against
from mlubench.models.query import Query


class PromptedSystem(System):
    """The base with a prompt that lists what to decline, before the first turn."""

    def _mount(self, done: list[str]) -> None:
        Base(self.ctx).at([])
        self.prompt = prompt_against([self.ctx.benchmark.task(name) for name in done])

    def _batch(self, asks: Sequence[Ask]) -> list[Said]:
        queries = [self._asked(ask) for ask in asks]
        return [Said(text) for text in self._generate(queries, asks[0].begun)]

    def _asked(self, ask: Ask) -> Query:
        return query_of(_prompted(ask, self.prompt))


def _prompted(ask: Ask, prompt: str) -> Ask:
    """The query with the prompt before its first turn."""
    if not ask.history:
        return Ask(prompt + ask.question, ask.pictures, begun=ask.begun)
    (question, answer), *later = ask.history
    history = ((prompt + question, answer), *later)
    return Ask(ask.question, ask.pictures, history, begun=ask.begun)
