"""What an engine is opened from: the experts, the gate and the base that a run or a store of experts names."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.lumoe.engine.base_answers import base_asker
from mlubench.lumoe.experts.in_force import checked_gate_folder, in_force
from mlubench.lumoe.experts.manifest import read_facts
from mlubench.lumoe.experts.state import InForce
from mlubench.lumoe.experts.store import ExpertStore, is_merged
from mlubench.lumoe.gates.base import Gate, ModelAccess
from mlubench.lumoe.gates.making import make_gate
from mlubench.lumoe.gates.replies import Replies
from mlubench.lumoe.second_look.forgotten import Forgotten
from mlubench.models.bases import cached_base
from mlubench.models.mllm import MLLM
from mlubench.models.plugins import register_model_classes
from mlubench.runs.folder import RunDir
from mlubench.runs.manifest import ManifestFacts
from mlubench.runs.opening import open_run
from mlubench.settings.gates import GateConfig, OnHit, SecondLookMode
from mlubench.settings.model import Quantization


@dataclass(frozen=True, slots=True)
class BaseSource:
    """Where a base lies, and how it is loaded."""

    # A folder or a hub's id.
    path: str
    # As the experts' manifests spell it; None for the path's own name.
    name: str | None = None
    revision: str | None = None
    dtype: str = "auto"
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class EngineSource:
    """Everything that an engine is opened from."""

    store: ExpertStore
    # The tasks that the gate knows, in the order in which they were unlearned. Each has an expert of its name.
    tasks: tuple[str, ...]
    # The gate's name in the table of gates, and the version of the last task's expert beside which its state lies.
    gate: str
    version: int = 1
    # None where there is no run: then what the gate has saved counts.
    settings: GateConfig | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    resident: int | str | None = None
    max_new_tokens: int = 250
    # The run's files of the gate's replies and of picture features. None: neither is kept beyond this process.
    replies: Path | None = None
    features: Path | None = None
    # None where nothing says where the base lies.
    base: BaseSource | None = None
    # Modules that register the classes of the base, wherever it lies.
    plugins: tuple[str, ...] = ()
    # How the base is held, wherever it lies: as the experts were trained on it.
    quantization: Quantization = "none"
    # Which answers are looked at again, where anything was kept for it.
    second_look: SecondLookMode = "band"
    # Who answers a query that hits a request.
    on_hit: OnHit = "experts"
    # What counts since deletion requests came in. None: the gate beside the last task's expert.
    in_force: InForce | None = None

    @property
    def requests(self) -> Mapping[str, str | None]:
        """By task of a deletion request the expert that answers for it; None where what reaches it is refused."""
        return self.in_force.requests if self.in_force is not None else {}

    def fitted_gate(self, access: ModelAccess) -> Gate:
        """The gate that counts, once everything in its folder is checked."""
        if self.in_force is None:
            return load_gate(self.store, self.gate, access, self.tasks[-1], self.version)
        gate = make_gate(self.gate, access)
        gate.load(checked_gate_folder(self.store.root, self.in_force.gate))
        return gate

    def forgotten(self) -> Forgotten | None:
        """What the second look compares with; None where nothing was kept for it beside the gate."""
        # A caller who brings a gate along may have a store without any.
        if not self.gate:
            return None
        if self.in_force is None:
            return load_forgotten(self.store, self.tasks[-1], self.version)
        return Forgotten.load(checked_gate_folder(self.store.root, self.in_force.gate))

    def now(self) -> "EngineSource":
        """The same with what counts in the store now."""
        found = in_force(self.store.root)
        if found is None:
            return self
        return replace(self, in_force=found, tasks=found.tasks)


def engine_source(
    place: EngineSource | ExpertStore | Path | str, *, needs_gate: bool = True
) -> EngineSource:
    """What the run or the folder of experts at `place` holds. Raises UsageError where it holds no expert or no gate.

    `needs_gate=False` is for a caller who brings a gate along: then the tasks are those of all experts.
    """
    if isinstance(place, EngineSource):
        return place
    source = source_before_requests(place, needs_gate=needs_gate)
    return source.now() if needs_gate else source


def source_before_requests(
    place: ExpertStore | Path | str, *, needs_gate: bool = True
) -> EngineSource:
    """As `engine_source`, as if no deletion request had come in since the experts were made."""
    if isinstance(place, ExpertStore):
        return _store_source(place, needs_gate)
    root = Path(place)
    if RunDir(root).config_file.is_file():
        return _run_source(root)
    return _store_source(ExpertStore(root), needs_gate)


def _run_source(root: Path) -> EngineSource:
    run = open_run(root)
    config = run.config
    tasks = run.archived("lumoe")
    if not tasks and "lumoe" in config.methods:
        raise UsageError(
            f"{root} has no LUMoE expert yet",
            "`mlubench run` with the same settings and --out goes on.",
        )
    if not tasks:
        raise UsageError(f"{root} has no LUMoE expert", "Run it with `lumoe` among its methods.")
    if config.model.path is not None:
        path, name = config.model.path, config.model.path
    else:
        name = run.facts.model or ""
        path = str(cached_base(name) or "")
    base = BaseSource(path, name, config.model.revision, config.model.dtype, config.device)
    return EngineSource(
        ExpertStore(run.folder.store("lumoe")),
        tuple(tasks),
        config.gate,
        settings=config.gates,
        weights=config.lumoe.weights,
        resident=config.lumoe.resident,
        max_new_tokens=config.evaluate.max_new_tokens,
        replies=run.folder.gate_replies(config.gate),
        features=run.folder.gate_features,
        base=base if path else None,
        plugins=tuple(config.model.plugins),
        quantization=config.model.quantization,
        second_look=config.gates.second_look,
        on_hit=config.gates.on_hit,
    )


def _store_source(store: ExpertStore, needs_gate: bool) -> EngineSource:
    """What the manifests of a plain store say. Each expert carries the gate that was fitted when it was made."""
    experts = [name for name in store.names() if not is_merged(name)]
    if needs_gate:
        # Those of deletion requests came without a gate of their own.
        experts = [name for name in experts if not read_facts(store.folder(name)).get("requests")]
    if not experts:
        raise UsageError(
            f"{store.root} holds no experts",
            "Give a run with `lumoe` among its methods, or a folder of experts.",
        )
    if not needs_gate:
        facts = read_facts(store.folder(experts[-1]))
        return EngineSource(
            store,
            tuple(experts),
            "",
            base=_base_source(facts),
            plugins=_plugins(facts),
            quantization=_quantization(facts),
        )
    # `names` puts the newest last: the one that was made after the most tasks.
    for name in reversed(experts):
        # The current version may have come without a gate, as a plain adapter; then the first one's counts.
        for version in (store.current(name), store.versions(name)[0]):
            facts = read_facts(store.folder(name, version))
            gate = facts.get("gate")
            if gate:
                tasks = tuple(facts.get("tasks", ()))
                _require_same(store, experts, name, tasks)
                return EngineSource(
                    store,
                    tasks,
                    gate,
                    version,
                    base=_base_source(facts),
                    plugins=_plugins(facts),
                    quantization=_quantization(facts),
                    second_look=_second_look(facts),
                    on_hit=facts.get("on_hit", "experts"),
                )
    raise UsageError(
        f"no expert in {store.root} has a gate beside it",
        "Give the run that made them, or a fitted gate: LUMoE.open(store, base, gate=...).",
    )


def _require_same(
    store: ExpertStore, experts: list[str], newest: str, tasks: tuple[str, ...]
) -> None:
    """Raises MlubenchError unless the gate names the store's experts and no others.

    Queries of an expert that it never names would reach the base, unsuppressed. One that is absent has no answer.
    """
    absent = sorted(set(tasks) - set(experts))
    if absent:
        raise MlubenchError(
            f"the gate beside expert {newest!r} names expert {absent[0]!r}, which {store.root} has not",
            f"Take it in too: mlubench experts import {store.root} FILE.",
        )
    unknown = sorted(set(experts) - set(tasks))
    if unknown:
        raise MlubenchError(
            f"the gate beside expert {newest!r} in {store.root} does not know expert {unknown[0]!r}",
            "Put experts of one run into a store, or give a gate that is fitted on them all.",
        )


def _plugins(facts: ManifestFacts) -> tuple[str, ...]:
    return tuple(facts.get("base_plugins", ()))


def _quantization(facts: ManifestFacts) -> Quantization:
    return facts.get("base_quantization", "none")


def _second_look(facts: ManifestFacts) -> SecondLookMode:
    """As it was in the run that made the expert."""
    return "always" if facts.get("second_look") == "always" else "band"


def _base_source(facts: ManifestFacts) -> BaseSource | None:
    """The base that a manifest names, where its name also says where it lies: a hub's id, or a base in the cache."""
    name = facts.get("base") or ""
    cached = cached_base(name)
    if cached is not None:
        return BaseSource(str(cached), name)
    if "/" not in name:
        return None
    return BaseSource(name, name, facts.get("base_revision"))


def load_base(source: EngineSource, base: MLLM | Path | str | None) -> MLLM:
    """The base: `base` itself, or loaded from there, or from where the source says that it lies.

    Raises UsageError where neither says it.
    """
    if isinstance(base, MLLM):
        return base
    register_model_classes(source.plugins)
    if base is not None:
        folder = Path(base)
        # A folder's own name is what manifests spell, wherever the folder lies.
        path = str(folder.resolve()) if folder.is_dir() else str(base)
        device = source.base.device if source.base is not None else "auto"
        return MLLM.load(path, device=device, quantization=source.quantization)
    found = source.base
    if found is None:
        raise UsageError(
            f"where the base of the experts in {source.store.root} lies is not known",
            "Give its folder: --base-model FOLDER.",
        )
    mllm = MLLM.load(
        found.path,
        revision=found.revision,
        dtype=found.dtype,
        device=found.device,
        quantization=source.quantization,
    )
    if found.name is not None:
        mllm.name = found.name
    return mllm


def gate_access(mllm: MLLM, settings: GateConfig | None, replies: Path | None) -> ModelAccess:
    """What a gate asks with. What it was replied is kept in the file `replies`, or in memory."""
    return ModelAccess(settings, Replies(replies), base_asker(mllm))


def load_gate(
    store: ExpertStore, gate: str, access: ModelAccess, task: str, version: int = 1
) -> Gate:
    """The gate that was saved beside a version of the task's expert, once everything in that folder is checked.

    Version 1 is what a run wrote, which alone brings a gate along, whichever version counts.
    """
    store.manifest(task, version=version)
    loaded = make_gate(gate, access)
    loaded.load(store.folder(task, version))
    return loaded


def load_forgotten(store: ExpertStore, task: str, version: int = 1) -> Forgotten | None:
    """What was saved for the second look beside a version of the task's expert; None where it was made without one."""
    return Forgotten.load(store.folder(task, version))
