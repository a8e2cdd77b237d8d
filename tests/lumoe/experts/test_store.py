"""An expert that is damaged, half written, absent or made for another base never gets onto the base."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import PeftModel

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.models.adapters import load_adapter, mounted
from mlubench.models.answers import answer_logits
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.types import Benchmark

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def old(experts: Path, tmp_path: Path) -> ExpertStore:
    """As an older run wrote it: no state, and manifests without most fields."""
    return ExpertStore(shutil.copytree(experts, tmp_path / "old"))


def flip(path: Path, place: int = -3) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


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
    ours, by_hand, base = load_base(), load_base(), load_base()
    store.mount(ours, "A")
    load_adapter(by_hand, "A", store.root / "A")
    sample = benchmark.task("A").forget[0]

    def logits(mllm: MLLM) -> torch.Tensor:
        batch = mllm.encode([Query(benchmark.picture(sample), sample.question)], [sample.truth])
        with torch.no_grad():
            return answer_logits(mllm.model, batch)[0]

    assert torch.equal(logits(ours), logits(base))  # it is there, and changes nothing by itself
    with mounted(ours, ["A"]):
        assert torch.equal(logits(ours), logits(by_hand))
    assert not torch.allclose(logits(by_hand), logits(base), atol=0.1)


@pytest.mark.parametrize("file", [WEIGHTS, "adapter_config.json"])
def test_a_changed_byte_is_refused(store: ExpertStore, mllm: MLLM, file: str) -> None:
    flip(store.root / "A" / file)
    refused(store, mllm, "A", file, "changed")
    store.mount(mllm, "B")  # the other is as good as ever


@pytest.mark.parametrize("file", [WEIGHTS, "adapter_config.json"])
def test_a_missing_file_is_refused(store: ExpertStore, mllm: MLLM, file: str) -> None:
    (store.root / "A" / file).unlink()
    refused(store, mllm, "A", file, "missing")


def test_another_base_is_refused(store: ExpertStore, mllm: MLLM) -> None:
    made_for, mllm.name = mllm.name, "toy-of-another-world"
    refused(store, mllm, "A", "'A'", made_for, "toy-of-another-world")


def test_other_weights_of_that_name_are_refused(
    store: ExpertStore, mllm: MLLM, base_path: Path, tmp_path: Path, load_base
) -> None:
    mllm.folder = shutil.copytree(base_path, tmp_path / "swapped")
    flip(mllm.folder / "model.safetensors")
    refused(store, mllm, "A", "other weights", "model.safetensors")
    unknown = load_base()
    unknown.folder = tmp_path / "nowhere"
    refused(store, unknown, "A", "cannot be hashed")


def test_the_same_weights_in_another_place_are_the_same_base(
    store: ExpertStore, mllm: MLLM
) -> None:
    mllm.name = str(store.root / mllm.name)  # a folder given by its path
    store.mount(mllm, "A")


def test_an_absent_expert_is_refused_and_the_present_are_named(
    store: ExpertStore, mllm: MLLM
) -> None:
    refused(store, mllm, "Z", "'Z'", "A, B")
    refused(ExpertStore(store.root / "empty"), mllm, "A", "none")


def test_what_was_never_finished_is_not_there(store: ExpertStore, mllm: MLLM) -> None:
    (store.root / "B" / "manifest.json").unlink()
    assert store.names() == ["A"]
    refused(store, mllm, "B", "no expert 'B'")


def test_a_broken_manifest_is_refused(store: ExpertStore, mllm: MLLM) -> None:
    (store.root / "A" / "manifest.json").write_text("{")
    refused(store, mllm, "A", "manifest.json", "cannot be read")


def test_an_older_manifest_says_what_it_lacks_and_its_expert_works(
    old: ExpertStore, mllm: MLLM
) -> None:
    rows = old.listing()
    assert [r["expert"] for r in rows] == ["A", "B"]
    assert "base_sha256" in rows[0]["missing"] and "base" not in rows[0]["missing"]
    assert all(r["wrong"] is None and r["missing"] for r in old.verify())
    old.mount(mllm, "A")


def test_plain_peft_loads_an_expert_without_us(
    store: ExpertStore, mllm: MLLM, load_base, benchmark: Benchmark
) -> None:
    store.mount(mllm, "A")
    plain = load_base()
    plain.model = PeftModel.from_pretrained(plain.model, store.folder("A")).eval()
    sample = benchmark.task("A").forget[0]
    batch = mllm.encode([Query(benchmark.picture(sample), sample.question)], [sample.truth])
    with torch.no_grad(), mounted(mllm, ["A"]):
        assert torch.equal(
            answer_logits(plain.model, batch)[0], answer_logits(mllm.model, batch)[0]
        )
    told = json.loads((store.folder("A") / "adapter_config.json").read_text())
    assert told["base_model_name_or_path"] == mllm.name  # and not where it lay


def test_add_makes_a_version_and_leaves_the_one_before(
    store: ExpertStore, experts: Path, facts: dict
) -> None:
    before = {f: f.read_bytes() for f in (store.root / "A").iterdir()}
    assert store.add("A", experts / "B", facts) == 2
    assert store.versions("A") == [1, 2] and store.current("A") == 2
    assert store.folder("A") == store.root / "A@2"
    assert store.names() == ["A", "B"]
    assert {f: f.read_bytes() for f in (store.root / "A").iterdir()} == before
    assert store.manifest("A")["modules"] == store.manifest("A", 1)["modules"]


def test_add_wants_every_fact_and_a_sound_name(
    store: ExpertStore, experts: Path, facts: dict, tmp_path: Path
) -> None:
    del facts["data_sha256"], facts["base"]
    with pytest.raises(UsageError, match="lacks base, data_sha256"):
        store.add("C", experts / "A", facts)
    for name in ("../C", "", "a/b", ".C", "C@2", "C.D"):
        with pytest.raises(UsageError, match="no expert's name"):
            store.add(name, experts / "A", facts)
    with pytest.raises(MlubenchError, match="missing or a symbolic link"):
        store.add("C", tmp_path, facts)
    assert store.names() == ["A", "B"]


def test_roll_back_and_its_undoing(
    store: ExpertStore, experts: Path, facts: dict, mllm: MLLM
) -> None:
    store.add("A", experts / "B", facts)
    assert store.roll_back("A") == 1 and store.current("A") == 1
    with pytest.raises(UsageError, match="no earlier version"):
        store.roll_back("A")
    with pytest.raises(UsageError, match="no version 7"):
        store.roll_back("A", to=7)
    assert store.roll_back("A", to=2) == 2
    told = [(h["action"], h["before"]["version"], h["after"]["version"]) for h in store.history()]
    assert told[-3:] == [("add", 1, 2), ("rollback", 2, 1), ("rollback", 1, 2)]
    flip(store.root / "A" / WEIGHTS)
    with pytest.raises(MlubenchError, match="changed"):
        store.roll_back("A")
    assert store.current("A") == 2
    store.mount(mllm, "A")


def test_a_current_version_that_is_gone_is_an_error(
    store: ExpertStore, experts: Path, facts: dict, mllm: MLLM
) -> None:
    store.add("A", experts / "B", facts)
    shutil.rmtree(store.root / "A@2")
    refused(store, mllm, "A", "version 2", "gone")  # not version 1 in its place
    with pytest.raises(MlubenchError, match="gone"):
        store.names()
    store.roll_back("A", to=1)
    store.mount(mllm, "A")


def test_a_disabled_expert_is_not_mounted(store: ExpertStore, mllm: MLLM) -> None:
    assert store.disable("A") and not store.disable("A")
    assert store.disabled() == {"A"} and store.names() == ["A", "B"]
    refused(store, mllm, "A", "disabled", "enable")
    assert store.enable("A") and not store.enable("A")
    store.mount(mllm, "A")
    with pytest.raises(MlubenchError, match="mounted already"):
        store.mount(mllm, "A")
    with pytest.raises(MlubenchError, match="no expert 'Z'"):
        store.disable("Z")


def test_a_damaged_expert_can_be_disabled_but_not_enabled(store: ExpertStore) -> None:
    flip(store.root / "A" / WEIGHTS)
    assert store.disable("A")
    with pytest.raises(MlubenchError, match="changed"):
        store.enable("A")
    assert store.disabled() == {"A"}


def test_verify_finds_every_wrong_version(store: ExpertStore) -> None:
    assert all(r["wrong"] is None and not r["missing"] for r in store.verify())
    flip(store.root / "B" / WEIGHTS)
    (store.root / "C").mkdir()
    wrong = {r["expert"]: r["wrong"] for r in store.verify()}
    assert wrong["A"] is None and "changed" in wrong["B"] and "never finished" in wrong["C"]
    assert [r["expert"] for r in store.verify(["B"])] == ["B"]


def test_a_whole_folder_of_no_experts_name_is_not_passed_over(store: ExpertStore) -> None:
    shutil.copytree(store.root / "A", store.root / "A@x")
    with pytest.raises(MlubenchError, match="not named as an expert"):
        store.names()
