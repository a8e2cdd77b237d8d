"""A baseline in the sequence: one adapter is carried on from task to task."""

from mlubench.core.files import read_manifest
from mlubench.experiment.context import Context
from mlubench.experiment.learners.base import Base
from mlubench.experiment.training import archive, train
from mlubench.models.adapters import add_adapter, load_adapter, remove_adapters
from mlubench.types import Task
from mlubench.unlearning.schedule import step_seed


class Sequential(Base):
    """A baseline: one adapter is trained on and on. The reference of a step is the state that it starts from."""

    # The adapter changes with every task, so an answer given after A says nothing of the answer after B.
    frozen = False
    # PEFT's name of the adapter.
    adapter = "default"

    def __init__(self, ctx: Context, name: str) -> None:
        super().__init__(ctx)
        self.name = name
        self.settings = ctx.config.train.for_method(name)
        # The tasks whose state is mounted. None: nothing is, or it was changed since.
        self.current: list[str] | None = None

    def at(self, done: list[str]) -> None:
        if self.current == done:
            return
        remove_adapters(self.ctx.mllm)
        if done:
            # The archive after the newest task holds what all tasks together did to the adapter.
            archive = self.ctx.run.archive(self.name, done[-1])
            # Checks every file against its hash.
            read_manifest(archive)
            load_adapter(self.ctx.mllm, self.adapter, archive, trainable=True)
        else:
            # A new adapter changes nothing yet: the model answers as the base.
            add_adapter(
                self.ctx.mllm,
                self.adapter,
                self.settings.lora,
                self.settings.scope,
                seed=step_seed(self.ctx.config.seed, self.name),
                full=self.settings.full,
            )
        self.current = list(done)

    def learn(self, task: Task) -> None:
        done = [*(self.current or []), task.name]
        self.ctx.mllm.model.set_adapter(self.adapter)
        facts = train(self.ctx, self.name, self.name, task, self.settings)
        archive(self.ctx, self.name, task, self.adapter, {**facts, "tasks": done})
        self.current = done
