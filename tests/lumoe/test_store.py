"""An expert that is damaged, half written, absent or made for another base never gets onto the base."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from mlubench.errors import MlubenchError
from mlubench.lumoe.store import ExpertStore
from mlubench.models.adapters import load_adapter
from mlubench.models.hf import MLLM, Query, answer_logits
from mlubench.types import Benchmark

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def store(experts: Path, tmp_path: Path) -> ExpertStore:
    """A copy that a test may damage."""
    return ExpertStore(shutil.copytree(experts, tmp_path / "store"))


def refused(store: ExpertStore, mllm: MLLM, name: str, *said: str) -> None:
    with pytest.raises(MlubenchError) as error:
        store.mount(mllm, name)
    text = str(error.value)
    assert "\n" not in text
    assert all(word in text for word in said), text
    assert not hasattr(mllm.model, "peft_config")  # nothing got onto the base


def test_experts_in_the_order_they_were_made(store: ExpertStore, tmp_path: Path) -> None:
    assert store.names() == ["A", "B"]
    manifest = store.root / "A" / "manifest.json"  # as if A had been unlearned after B
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "tasks": ["B", "C", "A"]}))
    assert store.names() == ["B", "A"]
    assert ExpertStore(tmp_path / "nowhere").names() == []


def test_a_whole_expert_is_mounted(store: ExpertStore, load_base, benchmark: Benchmark) -> None:
    mounted, by_hand = load_base(), load_base()
    store.mount(mounted, "A")
    load_adapter(by_hand, "A", store.root / "A")
    sample = benchmark.task("A").forget[0]
    answers = []
    for mllm in (mounted, by_hand, load_base()):
        batch = mllm.encode([Query(benchmark.picture(sample), sample.question)], [sample.truth])
        with torch.no_grad():
            answers.append(answer_logits(mllm.model, batch)[0])
    assert torch.equal(answers[0], answers[1])
    assert not torch.allclose(answers[0], answers[2], atol=0.1)


@pytest.mark.parametrize("file", [WEIGHTS, "adapter_config.json"])
def test_a_changed_byte_is_refused(store: ExpertStore, mllm: MLLM, file: str) -> None:
    path = store.root / "A" / file
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))
    refused(store, mllm, "A", file, "changed")
    store.mount(mllm, "B")  # the other is as good as ever


@pytest.mark.parametrize("file", [WEIGHTS, "adapter_config.json"])
def test_a_missing_file_is_refused(store: ExpertStore, mllm: MLLM, file: str) -> None:
    (store.root / "A" / file).unlink()
    refused(store, mllm, "A", file, "missing")


def test_another_base_is_refused(store: ExpertStore, mllm: MLLM) -> None:
    made_for, mllm.name = mllm.name, "toy-of-another-world"
    refused(store, mllm, "A", "'A'", made_for, "toy-of-another-world")


def test_an_absent_expert_is_refused_and_the_present_are_named(store: ExpertStore, mllm: MLLM) -> None:
    refused(store, mllm, "Z", "'Z'", "A, B")
    refused(ExpertStore(store.root / "empty"), mllm, "A", "none")


def test_what_was_never_finished_is_not_there(store: ExpertStore, mllm: MLLM) -> None:
    (store.root / "B" / "manifest.json").unlink()
    assert store.names() == ["A"]
    refused(store, mllm, "B", "no expert 'B'")


def test_a_broken_manifest_is_refused(store: ExpertStore, mllm: MLLM) -> None:
    (store.root / "A" / "manifest.json").write_text("{")
    refused(store, mllm, "A", "manifest.json", "cannot be read")
