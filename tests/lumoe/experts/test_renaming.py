"""An expert that an older transformers named is given today's names on its way in, or said to have older ones."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import whole_dir
from mlubench.core.reading import read_json
from mlubench.core.tables import Entry
from mlubench.core.tensor_files import read_header
from mlubench.lumoe.experts.compatibility import base_shapes
from mlubench.lumoe.experts.export import export_expert, import_expert
from mlubench.lumoe.experts.manifest import modules_of, tensors_in
from mlubench.lumoe.experts.renaming import older_names, todays
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.models.adapters import add_adapter, mounted, save_adapter
from mlubench.models.families import FAMILIES, Parts
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.settings.training import LoraConfig
from mlubench.types import Benchmark
from support.expert_folders import CONFIG, MANIFEST, WEIGHTS, sign

PREFIX = "base_model.model."
# From today's names to those of transformers before 4.52.
LLAVA = (
    ("model.language_model.", "language_model.model."),
    ("model.vision_tower.", "vision_tower.vision_model."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
)
Rename = Callable[[str], str]


def older(name: str) -> str:
    for new, old in LLAVA:
        name = name.replace(new, old)
    return name


def renamed(folder: Path, rename: Rename = older) -> None:
    """Make the expert in `folder` one of an older transformers: weights, settings and manifest."""
    tensors = {}
    for name, tensor in load_file(folder / WEIGHTS).items():
        tensors[PREFIX + rename(name.removeprefix(PREFIX))] = tensor
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    settings = read_json(folder / CONFIG, dict)
    # Its patterns of modules have a backslash before each dot.
    pattern = str(settings["target_modules"]).replace("\\.", ".")
    settings["target_modules"] = rename(pattern).replace(".", "\\.")
    settings["modules_to_save"] = [
        rename(f"{name}.").removesuffix(".") for name in settings["modules_to_save"] or ()
    ]
    (folder / CONFIG).write_text(json.dumps(settings))
    sign(folder, modules=modules_of(tensors_in(folder / WEIGHTS)))


@pytest.fixture
def old(store: ExpertStore) -> ExpertStore:
    """A store whose expert A was written by an older transformers."""
    renamed(store.root / "A")
    return store


@pytest.mark.parametrize("name", ["llava", "llava_next", "llava_next_mistral", "qwen2_5_vl", "toy"])
def test_the_table_is_that_of_transformers(
    name: str, base_path: Path, family_folder: Callable[[str], Path]
) -> None:
    """It saves weights under the names of old, so that older versions read them, and loads them under today's."""
    folder = base_path if name == "toy" else family_folder(name)
    shapes = base_shapes(MLLM.load(folder, device="cpu"))
    # LLaVA-NeXT's newline is a parameter outside of all parts, which no expert can hold.
    saved = set(read_header(folder / "model.safetensors")) - {"image_newline"}
    assert any(todays(tensor) != tensor for tensor in saved)
    assert {todays(tensor) for tensor in saved} <= set(shapes)
    assert all(todays(tensor) == tensor for tensor in shapes)


def test_version_four_and_a_half_named_clip_otherwise() -> None:
    old_name = "model.vision_tower.vision_model.encoder.layers.0.mlp.fc1"
    assert todays(old_name) == "model.vision_tower.encoder.layers.0.mlp.fc1"
    assert older_names({}, [old_name]) == {old_name: todays(old_name)}


def test_an_import_brings_the_names_up_to_date(
    old: ExpertStore, experts: Path, load_base: Callable, benchmark: Benchmark, tmp_path: Path
) -> None:
    export_expert(old, "A", tmp_path / "old.tar")
    new = ExpertStore(tmp_path / "new")
    assert import_expert(new, tmp_path / "old.tar") == ("A", 1)
    # The very weights under the very names that a run of today writes.
    assert load_file(new.root / "A" / WEIGHTS).keys() == load_file(experts / "A" / WEIGHTS).keys()
    for name, tensor in load_file(experts / "A" / WEIGHTS).items():
        assert torch.equal(load_file(new.root / "A" / WEIGHTS)[name], tensor)
    assert [row["wrong"] for row in new.verify()] == [None]
    query = Query(benchmark.picture(benchmark.samples[0]), benchmark.samples[0].question)
    said = []
    for store in (ExpertStore(experts), new):
        mllm = load_base()
        store.mount(mllm, "A")
        with mounted(mllm, ["A"]), torch.no_grad():
            said.append(mllm.model(**mllm.encode([query])).logits)
    assert torch.equal(*said)
    # The same file once more is known, and goes on as one of today's names.
    with pytest.raises(UsageError, match="has this expert 'A' as version 1"):
        import_expert(new, tmp_path / "old.tar")
    export_expert(new, "A", tmp_path / "new.tar")
    assert import_expert(ExpertStore(tmp_path / "third"), tmp_path / "new.tar") == ("A", 1)


def test_what_lies_in_a_store_is_said_and_helped(
    old: ExpertStore, mllm: MLLM, tmp_path: Path
) -> None:
    module = "language_model.model.layers.0.mlp.down_proj"
    words = f"names its modules as an older transformers did: {module}, today {todays(module)}"
    rows = {row["expert"]: row["wrong"] for row in old.verify()}
    assert words in str(rows["A"])
    assert rows["B"] is None
    with pytest.raises(MlubenchError) as error:
        old.mount(mllm, "A")
    assert words in str(error.value)
    assert "Export it and import it again" in str(error.value)
    export_expert(old, "A", tmp_path / "a.tar")
    assert import_expert(old, tmp_path / "a.tar") == ("A", 2)
    old.mount(mllm, "A")


def test_a_part_trained_whole_is_renamed_too(
    load_base: Callable, facts: dict, tmp_path: Path
) -> None:
    mllm = load_base()
    add_adapter(mllm, "A", LoraConfig(), "all", seed=0, full=["vision", "projector"])
    saved = tmp_path / "saved"
    with whole_dir(saved, facts) as out:
        save_adapter(mllm, "A", out)
    today = load_file(saved / WEIGHTS)
    renamed(saved)
    assert load_file(saved / WEIGHTS).keys().isdisjoint(today)
    store = ExpertStore(tmp_path / "store")
    # Another way in, with the same outcome.
    store.add("A", saved, facts)
    assert load_file(store.root / "A" / WEIGHTS).keys() == today.keys()
    store.mount(load_base(), "A")


def test_an_expert_of_qwens_language_model_is_renamed(
    family_folder: Callable[[str], Path], facts: dict, tmp_path: Path
) -> None:
    folder = family_folder("qwen2_5_vl")
    mllm = MLLM.load(folder, device="cpu")
    add_adapter(mllm, "A", LoraConfig(), "all", seed=0)
    saved = tmp_path / "saved"
    with whole_dir(saved, facts) as out:
        save_adapter(mllm, "A", out)

    def before(name: str) -> str:
        return name.replace("model.language_model.", "model.").replace("model.visual.", "visual.")

    renamed(saved, before)
    store = ExpertStore(tmp_path / "store")
    own = {"base": str(folder), "base_sha256": mllm.weight_hashes()}
    store.add("A", saved, {**facts, **own})
    store.mount(MLLM.load(folder, device="cpu"), "A")


def test_settings_by_pattern_are_refused(old: ExpertStore, tmp_path: Path) -> None:
    settings = read_json(old.root / "A" / CONFIG, dict)
    settings["rank_pattern"] = {"down_proj": 16}
    (old.root / "A" / CONFIG).write_text(json.dumps(settings))
    sign(old.root / "A")
    export_expert(old, "A", tmp_path / "a.tar")
    with pytest.raises(MlubenchError, match="as an older transformers did, and sets rank_pattern"):
        import_expert(ExpertStore(tmp_path / "new"), tmp_path / "a.tar")
    assert not (tmp_path / "new" / "A").exists()


def test_who_notes_its_versions_has_todays_names() -> None:
    modules = ["language_model.model.layers.0.mlp.down_proj"]
    assert older_names({"versions": {"transformers": "5.24.0"}}, modules) == {}
    assert older_names({"versions": None}, modules)


def test_a_family_may_have_such_a_name_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of another package whose language model is not below `model`."""
    modules = ["language_model.model.layers.0.mlp.down_proj", "visual.merger.mlp.0"]
    own = Entry(
        Parts(("vision_model",), ("qformer",), ("language_model.model",)), "of another package"
    )
    monkeypatch.setitem(FAMILIES._rows, "other", own)
    assert older_names({}, modules) == {"visual.merger.mlp.0": "model.visual.merger.mlp.0"}


def test_todays_experts_are_left_alone(store: ExpertStore, tmp_path: Path) -> None:
    export_expert(store, "A", tmp_path / "a.tar")
    new = ExpertStore(tmp_path / "new")
    import_expert(new, tmp_path / "a.tar")
    for name in (CONFIG, WEIGHTS, MANIFEST):
        assert (new.root / "A" / name).read_bytes() == (store.root / "A" / name).read_bytes()
