"""A baseline whose tasks each train an adapter of their own over the earlier ones, which are held."""

from collections.abc import Sequence
from pathlib import Path

from mlubench.core.errors import UsageError
from mlubench.core.files import read_manifest
from mlubench.experiment.context import Context
from mlubench.experiment.learners.sequential import Sequential
from mlubench.experiment.training import archive, train
from mlubench.models.adapters import (
    add_adapter,
    join_adapters,
    load_adapter,
    remove_adapters,
    train_over,
)
from mlubench.types import Task
from mlubench.unlearning.schedule import step_seed


class Stacked(Sequential):
    """A baseline for methods that are `orthogonal`. An archive is the sum of all adapters so far, as one adapter.

    Ranks add up, so that the archive after the last of T tasks is T times as large as the first.
    """

    # PEFT's names of the adapters: all earlier tasks' together, this task's, and their sum.
    earlier = "earlier"
    newest = "newest"

    def __init__(self, ctx: Context, name: str) -> None:
        super().__init__(ctx, name)
        if self.settings.full:
            raise UsageError(
                f"method {name} adds adapters up, and parts that are trained whole have no sum",
                "Leave train.full empty for it.",
            )

    def at(self, done: list[str]) -> None:
        if self.current == done:
            return
        remove_adapters(self.ctx.mllm)
        for folder in self._archives(done):
            read_manifest(folder)
            load_adapter(self.ctx.mllm, self.earlier, folder)
        self.current = list(done)

    def learn(self, task: Task) -> None:
        before = self.current or []
        add_adapter(
            self.ctx.mllm,
            self.newest,
            self.settings.lora,
            self.settings.scope,
            seed=step_seed(self.ctx.config.seed, self.name, task.name, "init"),
        )
        adapters = [self.newest]
        if before:
            train_over(self.ctx.mllm, self.earlier, self.newest)
            adapters = [self.earlier, self.newest]
        earlier = self._archives(before)
        facts = train(self.ctx, self.name, self.name, task, self.settings, earlier=earlier)
        join_adapters(self.ctx.mllm, adapters, self.adapter, self.settings.scope)
        done = [*before, task.name]
        archive(self.ctx, self.name, task, self.adapter, {**facts, "tasks": done})
        # Answers are those of the archive.
        self.current = None
        self.at(done)

    def _archives(self, done: Sequence[str]) -> list[Path]:
        """The folder of all these tasks' adapters; none before the first task."""
        return [self.ctx.run.archive(self.name, done[-1])] if done else []
