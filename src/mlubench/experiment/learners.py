"""How a method lives through the sequence: a baseline carries one adapter on, LUMoE adds an expert a task."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlubench.core import processes
from mlubench.core.errors import UsageError, unknown_name
from mlubench.core.files import digest, read_manifest, whole_dir
from mlubench.experiment.answering import Learner
from mlubench.experiment.table import METHODS
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.engine.opening import gate_access, load_gate
from mlubench.lumoe.experts.compatibility import base_id
from mlubench.lumoe.experts.manifest import WEIGHTS, modules_of, tensors_in
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.lumoe.gates.base import Gate, GateQuery, ModelAccess
from mlubench.lumoe.gates.making import make_gate
from mlubench.models.adapters import add_adapter, load_adapter, remove_adapters, save_adapter
from mlubench.models.features import FeatureCache
from mlubench.models.mllm import MLLM, Query
from mlubench.models.probe import answer_probabilities
from mlubench.runs.folder import RunDir
from mlubench.settings.run import Config
from mlubench.settings.training import TrainConfig
from mlubench.types import Benchmark, Route, Sample, Task
from mlubench.unlearning.methods.base import make_method
from mlubench.unlearning.schedule import step_seed
from mlubench.unlearning.table import LOSSES
from mlubench.unlearning.trainer import unlearn


@dataclass(frozen=True, slots=True)
class Context:
    """What every learner works with. `benchmark` holds the facts that the base knows, in the order of the run."""

    config: Config
    benchmark: Benchmark
    mllm: MLLM
    run: RunDir

    @property
    def order(self) -> list[str]:
        return [t.name for t in self.benchmark]

    def queries(self, samples: Sequence[Sample]) -> list[Query]:
        return [Query(self.benchmark.picture(s), s.question) for s in samples]


def fit_samples(samples: Sequence[Sample], settings: TrainConfig) -> list[Sample]:
    """The samples that a method trains on."""
    return [
        s for s in samples if s.role == "fit" and (settings.phrasings == "all" or s.phrasing == 0)
    ]


def train(ctx: Context, loss: str, label: str, task: Task, settings: TrainConfig) -> dict[str, Any]:
    """Train the active adapter on one task with one method's loss. Returns the facts for the archive's manifest."""
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
    return {
        "task": task.name,
        "method": label,
        "loss": loss,
        "base": base_id(ctx.mllm.name),
        "base_revision": ctx.mllm.revision,
        "base_sha256": ctx.mllm.weight_hashes(),
        "data_sha256": data_hash(task, settings),
        "seed": seed,
        "train": asdict(done),
        "settings": settings.model_dump(mode="json", exclude={"per_method"}),
        "entities": [e.key for e in task.forget_entities],
    }


def data_hash(task: Task, settings: TrainConfig) -> str:
    """SHA-256 of what a task trains on: says whether two states saw the same data, and holds none of it."""
    return digest(
        [asdict(s) for part in (task.forget, task.retain) for s in fit_samples(part, settings)], 64
    )


def archive(
    ctx: Context,
    label: str,
    task: Task,
    adapter: str,
    facts: dict[str, Any],
    gate: Gate | None = None,
) -> None:
    """Write the state after the task as RUN/models/LABEL/TASK: the adapter, and the gate that goes with it."""

    def write() -> None:
        def told() -> dict[str, Any]:
            return {**facts, "modules": modules_of(tensors_in(out / WEIGHTS))}

        with whole_dir(ctx.run.archive(label, task.name), told) as out:
            save_adapter(ctx.mllm, adapter, out)
            if gate is not None:
                gate.save(out)

    processes.written(write)


class Base:
    """The base before any unlearning: the level that everything is compared with."""

    name = "base"
    frozen = True

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
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

    def truth_probabilities(
        self, samples: Sequence[Sample], routes: Sequence[Route | None]
    ) -> Sequence[float | None]:
        return answer_probabilities(
            self.ctx.mllm, self.ctx.queries(samples), [s.truth for s in samples]
        )


class Sequential(Base):
    """A baseline: one adapter trained on and on; the reference of a step is the state it starts from."""

    frozen = False
    adapter = "default"

    def __init__(self, ctx: Context, name: str) -> None:
        super().__init__(ctx)
        self.name = name
        self.settings = ctx.config.train.for_method(name)
        self.current: list[str] | None = None

    def at(self, done: list[str]) -> None:
        if self.current == done:
            return
        remove_adapters(self.ctx.mllm)
        if done:
            archive = self.ctx.run.archive(self.name, done[-1])
            read_manifest(archive)
            load_adapter(self.ctx.mllm, self.adapter, archive, trainable=True)
        else:
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
    """LUMoE: an expert a task on the untouched base, and the gate fitted on all tasks so far, kept beside the newest."""

    name = "lumoe"

    def __init__(self, ctx: Context, name: str = "lumoe") -> None:
        super().__init__(ctx)
        self.settings = ctx.config.train.for_method(name)
        self.store = ExpertStore(ctx.run.store(name))
        for task in ctx.config.lumoe.weights:
            if task not in ctx.order:
                raise unknown_name("task in lumoe.weights", task, ctx.order)
        self.tools = self.tools_of(ctx.config.gate)
        self.engine = LUMoE(
            ctx.mllm,
            self._new_gate(),
            FeatureCache(ctx.mllm),
            ctx.config.gates.on_error,
            weights=ctx.config.lumoe.weights,
            resident=ctx.config.lumoe.resident,
        )
        self.current: list[str] | None = None
        self.features_file = ctx.run.gate_features
        self.engine.features.load(self.features_file)
        # The leader would ask alone, and wait for ever.
        if ctx.mllm.sharded and "self" in (ctx.config.gate, *ctx.config.gates.also):
            raise UsageError(
                "gate self asks the base, which is sharded",
                "Take another gate, or run without FSDP.",
            )

    def tools_of(self, gate: str) -> ModelAccess:
        """What a gate of that name asks with, its replies kept apart from those of others."""
        return gate_access(self.ctx.mllm, self.ctx.config.gates, self.ctx.run.gate_replies(gate))

    def _new_gate(self) -> Gate:
        return make_gate(self.ctx.config.gate, self.tools)

    def at(self, done: list[str]) -> None:
        if self.current == done:
            return
        self._mount(done)
        if done:
            gate = self.ctx.config.gate
            self.engine.gate = load_gate(self.store, gate, self.tools, done[-1])
        else:
            self.engine.gate = self._new_gate()
        self.current = list(done)

    def _mount(self, done: list[str]) -> None:
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
        gate = self._new_gate()
        gate.fit(
            [self.ctx.benchmark.task(t) for t in done],
            self.ctx.benchmark,
            self.engine.features,
            self.ctx.config.gates,
        )
        facts = train(self.ctx, self.ctx.config.lumoe.expert, self.name, task, self.settings)
        archive(
            self.ctx,
            self.name,
            task,
            task.name,
            {**facts, "tasks": done, "gate": self.ctx.config.gate},
            gate,
        )
        processes.written(lambda: self.engine.features.save(self.features_file))
        # Answers are those of the archive: mounted from it, the expert has the base's precision.
        self.current = None
        self.at(done)

    def routes(self, samples: Sequence[Sample]) -> list[Route | None]:
        queries = [GateQuery(self.ctx.benchmark.picture(s), s.question, s.entity) for s in samples]
        if not self.engine.gate.local:  # replies of a model may differ between processes
            return processes.agreed(lambda: list(self.engine.routes(queries)))
        return list(self.engine.routes(queries))

    def answer(self, samples: Sequence[Sample], routes: Sequence[Route | None]) -> list[str]:
        return self.engine.generate(
            self.ctx.queries(samples),
            _given(routes),
            max_new_tokens=self.ctx.config.evaluate.max_new_tokens,
        )

    def truth_probabilities(
        self, samples: Sequence[Sample], routes: Sequence[Route | None]
    ) -> Sequence[float | None]:
        return self.engine.truth_probabilities(
            self.ctx.queries(samples), [s.truth for s in samples], _given(routes)
        )


def _given(routes: Sequence[Route | None]) -> list[Route]:
    return [r if r is not None else Route((), None, 0.0, "no route") for r in routes]


class OracleLumoeLearner(LumoeLearner):
    """The same experts behind the gate that is told the entity: the upper bound, reported apart, trained never."""

    name = "lumoe+oracle"

    def _new_gate(self) -> Gate:
        return make_gate("oracle", self.tools)

    def at(self, done: list[str]) -> None:
        if self.current == done:
            return
        self._mount(done)
        tasks = [self.ctx.benchmark.task(t) for t in done]
        self.engine.gate.fit(tasks, self.ctx.benchmark, self.engine.features, self.ctx.config.gates)
        self.current = list(done)


def learner_for(name: str, ctx: Context) -> Learner:
    """A baseline for every row of the method table that is a loss; a row that is a learner of its own is taken as it is."""
    found = METHODS.resolve(name)
    learner: Learner = found(ctx) if issubclass(found, Base) else Sequential(ctx, name)
    return learner
