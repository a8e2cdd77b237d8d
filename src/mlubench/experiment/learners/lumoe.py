"""LUMoE in the sequence: an expert a task on the untouched base, and a gate; and its upper bound."""

from collections.abc import Sequence

from mlubench.core import processes
from mlubench.core.errors import UsageError, unknown_name
from mlubench.experiment.context import Context
from mlubench.experiment.learners.base import Base
from mlubench.experiment.refusing import train_until_it_refuses
from mlubench.experiment.training import Saved, archive
from mlubench.lumoe.engine.looking_again import Reply
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.engine.opening import load_forgotten, load_gate
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.lumoe.gates.base import Gate, GateQuery, GrowingGate, statement_of
from mlubench.lumoe.gates.making import gate_class, make_gate
from mlubench.lumoe.second_look.forgotten import Forgotten
from mlubench.models.adapters import add_adapter
from mlubench.models.features import FeatureCache
from mlubench.settings.run import Config
from mlubench.types import Route, Sample, SecondLook, Task
from mlubench.unlearning.schedule import step_seed


class LumoeLearner(Base):
    """LUMoE: an expert a task on the untouched base, and a gate, which is fitted anew on all tasks after each.

    The gate is archived in the folder of the newest expert. `frozen` stays True: an expert never changes once it is
    trained, so a draft depends on the query and the experts alone and need not be generated twice.
    """

    name = "lumoe"

    def __init__(self, ctx: Context, name: str = "lumoe") -> None:
        super().__init__(ctx)
        self.settings = ctx.config.train.for_method(name)
        self.store = ExpertStore(ctx.run.store(name))
        for gate in (ctx.config.gate, *ctx.config.gates.also):
            # The leader would ask alone, and wait for ever.
            if ctx.mllm.sharded and gate_class(gate).asks_base:
                raise UsageError(
                    f"gate {gate} asks the base, which is sharded",
                    "Take another gate, or run without FSDP.",
                )
        check_weights(ctx.config, ctx.order)
        self.access = ctx.gate_access(ctx.config.gate)
        self.engine = LUMoE(
            ctx.mllm,
            self._gate_after([]),
            FeatureCache(ctx.mllm),
            ctx.config.gates.on_error,
            weights=ctx.config.lumoe.weights,
            resident=ctx.config.lumoe.resident,
            second_look=ctx.config.gates.second_look,
            on_hit=ctx.config.gates.on_hit,
        )
        self.current: list[str] | None = None
        # What this process has archived for the second look, which the next task is added to.
        self.forgotten: Forgotten | None = None
        self.features_file = ctx.run.gate_features
        self.engine.features.load(self.features_file)

    def _gate_after(self, done: list[str]) -> Gate:
        """The gate as it was archived after these tasks; before the first one, a gate that is not fitted."""
        name = self.ctx.config.gate
        if not done:
            return make_gate(name, self.access)
        return load_gate(self.store, name, self.access, done[-1])

    def _gate_with(self, tasks: Sequence[Task]) -> Gate:
        """The gate of these tasks, from the one that was archived after all but the last of them where that saves work."""
        arguments = (tasks, self.ctx.benchmark, self.engine.features, self.ctx.config.gates)
        gate = self._gate_after([task.name for task in tasks[:-1]])
        if isinstance(gate, GrowingGate):
            gate.fit_next(*arguments)
            return gate
        gate = make_gate(self.ctx.config.gate, self.access)
        gate.fit(*arguments)
        return gate

    def at(self, done: list[str]) -> None:
        if self.current == done:
            return
        self._mount(done)
        self.engine.gate = self._gate_after(done)
        self.engine.forgotten = self._forgotten_after(done)
        self.current = list(done)

    def _forgotten_after(self, done: list[str]) -> Forgotten | None:
        """What was archived for the second look; None before the first task, and in an archive of an older run."""
        return load_forgotten(self.store, done[-1]) if done else None

    def _mount(self, done: list[str]) -> None:
        """Mount the experts of these tasks. `studies.consolidation` mounts merged ones instead."""
        self.engine.mount_experts(self.store, done)

    def learn(self, task: Task) -> None:
        done = [*(self.current or []), task.name]
        add_adapter(
            self.ctx.mllm,
            task.name,
            self.settings.lora,
            self.settings.scope,
            seed=step_seed(self.ctx.config.seed, self.name, task.name, "init"),
            full=self.settings.full,
        )
        # A gate learns from pictures and questions, never from the expert, so it is fitted before the long training: what
        # it lacks then comes to light early.
        settings = self.ctx.config.gates
        tasks = [self.ctx.benchmark.task(t) for t in done]
        gate = self._gate_with(tasks)
        facts = train_until_it_refuses(
            self.ctx,
            self.name,
            task,
            self.settings,
            earlier=[self.ctx.run.archive(self.name, t) for t in done[:-1]],
        )
        facts |= {"tasks": done, "gate": self.ctx.config.gate}
        stated = statement_of(gate)
        if stated is not None:
            facts |= {"gate_states": stated.in_words()}
        beside: list[Saved] = [gate]
        if settings.second_look != "off":
            facts |= {"second_look": settings.second_look}
            if settings.on_hit != "experts":
                facts |= {"on_hit": settings.on_hit}
            if self.forgotten is None:
                self.forgotten = Forgotten.of(tasks, settings)
            else:
                self.forgotten = self.forgotten.with_next(tasks, settings)
            beside.append(self.forgotten)
        archive(self.ctx, self.name, task, task.name, facts, beside)
        processes.written(lambda: self.engine.features.save(self.features_file))
        # Answers are those of the archive: mounted from it, the expert has the base's precision.
        self.current = None
        self.at(done)

    def routes(self, samples: Sequence[Sample]) -> list[Route | None]:
        queries = [GateQuery(self.ctx.benchmark.picture(s), s.question, s.entity) for s in samples]
        if not self.engine.gate.local:
            # A model's replies may differ between processes, which would then answer different batches.
            return processes.agreed(lambda: list(self.engine.routes(queries)))
        return list(self.engine.routes(queries))

    def answer(self, samples: Sequence[Sample], routes: Sequence[Route | None]) -> list[str]:
        return self.engine.drafts(
            self.ctx.queries(samples),
            _routes_or_base(routes),
            max_new_tokens=self.ctx.config.evaluate.max_new_tokens,
        )

    def second_looks(
        self,
        samples: Sequence[Sample],
        routes: Sequence[Route | None],
        drafts: Sequence[str],
    ) -> list[SecondLook | None]:
        return self.engine.second_looks(self.ctx.queries(samples), drafts, _routes_or_base(routes))

    def settled(
        self,
        samples: Sequence[Sample],
        routes: Sequence[Route | None],
        looks: Sequence[SecondLook],
        texts: Sequence[str],
    ) -> list[Reply]:
        return self.engine.settled(self.ctx.queries(samples), texts, _routes_or_base(routes), looks)

    def truth_probabilities(
        self, samples: Sequence[Sample], routes: Sequence[Route | None]
    ) -> Sequence[float | None]:
        return self.engine.truth_probabilities(
            self.ctx.queries(samples), [s.truth for s in samples], _routes_or_base(routes)
        )


class OracleLumoeLearner(LumoeLearner):
    """The same experts behind the gate that is told the entity: the upper bound, reported apart, trained never.

    It bounds gate and experts. LUMoE as a whole may do better, as its second look refuses where an expert tells.
    """

    name = "lumoe+oracle"

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        # What the bound says is of the experts.
        self.engine.on_hit = "experts"

    def _gate_after(self, done: list[str]) -> Gate:
        """An oracle that is fitted now: it is archived nowhere, and fitting it costs nothing."""
        gate = make_gate("oracle")
        if done:
            tasks = [self.ctx.benchmark.task(name) for name in done]
            gate.fit(tasks, self.ctx.benchmark, self.engine.features, self.ctx.config.gates)
        return gate

    def _forgotten_after(self, done: list[str]) -> Forgotten | None:
        """None: what the bound says of the experts is not to depend on a second look."""
        return None


def check_weights(config: Config, order: Sequence[str]) -> None:
    """Raises UsageError for a weight of a task that is not unlearned, which would never count."""
    for task in config.lumoe.weights:
        if task not in order:
            raise unknown_name("task in lumoe.weights", task, order)


def _routes_or_base(routes: Sequence[Route | None]) -> list[Route]:
    """The routes, where None, which learners without a gate have, is one to the base."""
    return [r if r is not None else Route((), None, 0.0, "no route") for r in routes]
