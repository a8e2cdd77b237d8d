"""Two real experts, trained once, and the whole of LUMoE around a fresh base for each test that asks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlubench.core.files import file_sha256, whole_dir
from mlubench.settings.gates import GateConfig
from mlubench.settings.run import Config
from mlubench.settings.training import LoraConfig, TrainConfig
from mlubench.types import Benchmark, Sample
from support.shared import session_folder

LORA = LoraConfig(r=16, alpha=16)


@pytest.fixture(scope="session")
def experts(
    base_path: Path, benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A store that holds experts A and B, trained to refuse their tasks' forget sets."""
    from mlubench.models.adapters import add_adapter, save_adapter
    from mlubench.models.mllm import MLLM
    from mlubench.unlearning.methods.po import PO
    from mlubench.unlearning.trainer import unlearn

    def fit(samples: tuple[Sample, ...]) -> list[Sample]:
        return [s for s in samples if s.role == "fit" and s.phrasing == 0]

    config = TrainConfig(lr=5e-3, epochs=5, batch=8, lora=LORA)
    work = tmp_path_factory.mktemp("work")

    def make(root: Path) -> None:
        for number, task in enumerate(benchmark, 1):
            mllm = MLLM.load(base_path, device="cpu")
            add_adapter(mllm, task.name, LORA, "language", seed=number)
            unlearn(
                mllm,
                PO(),
                fit(task.forget),
                fit(task.retain),
                benchmark,
                config,
                seed=0,
                work=work,
            )
            facts = {"base": base_path.name, "tasks": [t.name for t in benchmark][:number]}
            with whole_dir(root / task.name, facts) as out:
                save_adapter(mllm, task.name, out)

    return session_folder(tmp_path_factory, "experts", make)


@pytest.fixture
def facts(base_path: Path) -> dict:
    """What a manifest says of expert A besides its modules and files."""
    return {
        "task": "A",
        "entities": ["Animals/Cat"],
        "method": "lumoe",
        "settings": {"lr": 5e-3},
        "base": base_path.name,
        "base_revision": None,
        "base_sha256": {f.name: file_sha256(f) for f in base_path.glob("*.safetensors")},
        "data_sha256": "0" * 64,
        "tasks": ["A"],
    }


@pytest.fixture
def store(experts: Path, facts: dict, tmp_path: Path):
    """A store of experts A and B with whole manifests, that a test may damage."""
    from mlubench.lumoe.experts.store import ExpertStore

    made = ExpertStore(tmp_path / "store")
    made.add("A", experts / "A", facts)
    made.add("B", experts / "B", {**facts, "task": "B", "tasks": ["A", "B"]})
    return made


@pytest.fixture
def lumoe(load_base: Callable, experts: Path, benchmark: Benchmark, smoke_config: Config):
    """LUMoE on a fresh base: both experts mounted, the prototype gate fitted on both tasks."""
    from mlubench.lumoe.engine.lumoe import LUMoE
    from mlubench.lumoe.experts.store import ExpertStore
    from mlubench.lumoe.gates.prototype import PrototypeGate
    from mlubench.models.features import FeatureCache

    mllm = load_base()
    store = ExpertStore(experts)
    for name in store.names():
        store.mount(mllm, name)
    engine = LUMoE(mllm, PrototypeGate(), FeatureCache(mllm))
    engine.gate.fit(benchmark.tasks, benchmark, engine.features, GateConfig())
    return engine
