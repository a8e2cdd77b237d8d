"""How a method lives through the sequence: a baseline carries one adapter on, LUMoE adds an expert a task.

`sequence.py` calls `at` to bring back the state after some tasks, `learn` to unlearn the next one, and `routes` and
`answer` to test. A state is always written to RUN/models and mounted from there, so an interrupted run goes on from it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from mlubench.core import processes
from mlubench.core.errors import UsageError, unknown_name
from mlubench.core.files import digest, read_manifest, whole_dir
from mlubench.experiment.answering import Learner
from mlubench.experiment.table import METHODS
from mlubench.lumoe.engine.looking_again import Reply
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.engine.opening import gate_access, load_forgotten, load_gate
from mlubench.lumoe.experts.manifest import (
    WEIGHTS,
    base_id,
    modules_of,
    tensors_in,
    writing_versions,
)
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.lumoe.gates.base import Gate, GateQuery, GrowingGate, ModelAccess, statement_of
from mlubench.lumoe.gates.making import gate_class, make_gate
from mlubench.lumoe.second_look.forgotten import Forgotten
from mlubench.models.adapters import add_adapter, load_adapter, remove_adapters, save_adapter
from mlubench.models.features import FeatureCache
from mlubench.models.mllm import MLLM, Query
from mlubench.models.probe import answer_probabilities
from mlubench.runs.folder import RunDir
from mlubench.runs.manifest import ManifestFacts
from mlubench.settings.run import Config
from mlubench.settings.training import TrainConfig
from mlubench.types import Benchmark, Route, Sample, SecondLook, Task
from mlubench.unlearning.methods.base import make_method
from mlubench.unlearning.schedule import step_seed
from mlubench.unlearning.table import LOSSES
from mlubench.unlearning.trainer import unlearn


@dataclass(frozen=True, slots=True)
class Context:
    """What every learner works with."""

    config: Config
    # Only the facts that the base knows, and the tasks in the order of the run.
    benchmark: Benchmark
    # The base, on which learners mount adapters and take them off again.
    mllm: MLLM
    run: RunDir

    @property
    def order(self) -> list[str]:
        return [t.name for t in self.benchmark]

    def queries(self, samples: Sequence[Sample]) -> list[Query]:
        return [Query(self.benchmark.picture(s), s.question) for s in samples]

    def gate_access(self, gate: str) -> ModelAccess:
        """What the gate of that name asks with. Its replies are kept in the run, apart from those of other gates."""
        return gate_access(self.mllm, self.config.gates, self.run.gate_replies(gate))


def check_weights(config: Config, order: Sequence[str]) -> None:
    """Raises UsageError for a weight of a task that is not unlearned, which would never count."""
    for task in config.lumoe.weights:
        if task not in order:
            raise unknown_name("task in lumoe.weights", task, order)


def fit_samples(samples: Sequence[Sample], settings: TrainConfig) -> list[Sample]:
    """The samples that a method trains on."""
    chosen = [s for s in samples if s.trains]
    if settings.phrasings == "all":
        return chosen
    # The first phrasing alone: the others then test whether what was unlearned depends on the words. The published
    # protocol holds nothing back.
    return [s for s in chosen if s.phrasing == 0 or s.role == "all"]


def train(ctx: Context, loss: str, label: str, task: Task, settings: TrainConfig) -> ManifestFacts:
    """Train the active adapter on one task with one method's loss. Returns the facts for the archive's manifest.

    `label` is the method of the run, `loss` the row of the table of losses: LUMoE trains its experts by another's.
    """
    # Of method and task alone, so that a run with fewer methods or a resumed one draws the same numbers.
    seed = step_seed(ctx.config.seed, label, task.name)
    done = unlearn(
        ctx.mllm,
        make_method(loss, LOSSES.resolve(loss), settings.options),
        fit_samples(task.forget, settings),
        fit_samples(task.retain, settings),
        ctx.benchmark,
        settings,
        seed=seed,
        work=ctx.run.work,
        label=f"{label}: unlearning {task.name}",
    )
    facts: ManifestFacts = {
        "task": task.name,
        "method": label,
        "loss": loss,
        "base": base_id(ctx.mllm.name),
        "base_revision": ctx.mllm.revision,
        "base_sha256": ctx.mllm.weight_hashes(),
        "versions": writing_versions(),
        "data_sha256": data_hash(task, settings),
        "seed": seed,
        "train": done.as_record(),
        "settings": settings.model_dump(mode="json", exclude={"per_method"}),
        "entities": [e.key for e in task.forget_entities],
    }
    # Only where there are any, so that other manifests stay as they were.
    if ctx.config.model.plugins:
        facts["base_plugins"] = ctx.config.model.plugins
    return facts


def data_hash(task: Task, settings: TrainConfig) -> str:
    """SHA-256 of what a task trains on: says whether two states saw the same data, and holds none of it."""
    samples = [*fit_samples(task.forget, settings), *fit_samples(task.retain, settings)]
    return digest([asdict(sample) for sample in samples], 64)


class Saved(Protocol):
    """What writes files into the folder of an archive: a gate, what the second look compares with."""

    def save(self, folder: Path) -> None: ...


def archive(
    ctx: Context,
    label: str,
    task: Task,
    adapter: str,
    facts: ManifestFacts,
    beside: Sequence[Saved] = (),
) -> None:
    """Write the state after the task as RUN/models/LABEL/TASK: the adapter, and what goes with it."""

    def write() -> None:
        def manifest_facts() -> ManifestFacts:
            # Asked for at the end: the modules are read from the weights that were written.
            return {**facts, "modules": modules_of(tensors_in(out / WEIGHTS))}

        with whole_dir(ctx.run.archive(label, task.name), manifest_facts) as out:
            save_adapter(ctx.mllm, adapter, out)
            for saved in beside:
                saved.save(out)

    processes.written(write)


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
        facts = train(self.ctx, self.ctx.config.lumoe.expert, self.name, task, self.settings)
        facts |= {"tasks": done, "gate": self.ctx.config.gate}
        stated = statement_of(gate)
        if stated is not None:
            facts |= {"gate_states": stated.in_words()}
        beside: list[Saved] = [gate]
        if settings.second_look != "off":
            facts |= {"second_look": settings.second_look}
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


def _routes_or_base(routes: Sequence[Route | None]) -> list[Route]:
    """The routes, where None, which learners without a gate have, is one to the base."""
    return [r if r is not None else Route((), None, 0.0, "no route") for r in routes]


class OracleLumoeLearner(LumoeLearner):
    """The same experts behind the gate that is told the entity: the upper bound, reported apart, trained never."""

    name = "lumoe+oracle"

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


def learner_for(name: str, ctx: Context) -> Learner:
    """The learner of a row of the table of methods: a row that is only a loss is a baseline."""
    found = METHODS.resolve(name)
    learner: Learner = found(ctx) if issubclass(found, Base) else Sequential(ctx, name)
    return learner
