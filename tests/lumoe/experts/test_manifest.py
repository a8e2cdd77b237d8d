"""Whatever is wrong in an expert's folder is refused before anything in it is loaded, each in one clear line."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mlubench.core.errors import MlubenchError
from mlubench.core.files import file_sha256
from mlubench.lumoe.experts.manifest import (
    check_folder,
    is_inside,
    missing_fields,
    modules_of,
    tensors_in,
)
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.models.mllm import MLLM
from support.expert_folders import CONFIG, MANIFEST, WEIGHTS, sign


def add_pickle(folder: Path) -> None:
    (folder / "adapter_model.bin").write_bytes(pickle.dumps({}))
    sign(folder)


def pickle_in_disguise(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(pickle.dumps({"weights": 1}))
    sign(folder)


def extra(folder: Path) -> None:
    (folder / "notes.json").write_text("{}")


def extra_code(folder: Path) -> None:
    (folder / "modeling.py").write_text("")
    sign(folder)


def link_file(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder.parent / "elsewhere.safetensors")
    (folder / WEIGHTS).symlink_to(folder.parent / "elsewhere.safetensors")


def link_folder(folder: Path) -> None:
    folder.rename(folder.parent / ".elsewhere")
    folder.symlink_to(folder.parent / ".elsewhere", target_is_directory=True)


def link_below(folder: Path) -> None:
    (folder / "more").symlink_to(folder.parent, target_is_directory=True)


def escape(folder: Path) -> None:
    (folder.parent / "outside.json").write_text("{}")
    told = json.loads((folder / MANIFEST).read_text())
    told["files"]["../outside.json"] = file_sha256(folder.parent / "outside.json")
    (folder / MANIFEST).write_text(json.dumps(told))


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe.json")


def cut(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-8])
    sign(folder)


def drop_module(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    save_file(
        {k: v for k, v in tensors.items() if "layers.0.self_attn.q_proj" not in k}, folder / WEIGHTS
    )
    sign(folder)


def drop_half(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    save_file(
        {k: v for k, v in tensors.items() if "layers.0.self_attn.q_proj.lora_B" not in k},
        folder / WEIGHTS,
    )
    sign(folder)


def other_kind(folder: Path) -> None:
    told = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**told, "peft_type": "IA3"}))
    sign(folder)


def unlisted(folder: Path) -> None:
    told = json.loads((folder / MANIFEST).read_text())
    del told["files"][WEIGHTS]
    (folder / MANIFEST).write_text(json.dumps(told))


def no_files(folder: Path) -> None:
    (folder / MANIFEST).write_text('{"base": "x"}')


def odd_form(folder: Path) -> None:
    sign(folder, base_sha256=["x"])


DAMAGES = [
    (add_pickle, "adapter_model.bin may be a pickle"),
    (pickle_in_disguise, "no safetensors file"),
    (extra, "notes.json is not in the manifest"),
    (extra_code, "modeling.py is neither JSON nor safetensors"),
    (link_file, "symbolic link"),
    (link_folder, "symbolic link"),
    (link_below, "symbolic link"),
    (escape, "leaves the folder"),
    (pipe, "not a plain file"),
    (cut, "it is cut short"),
    (drop_module, "lack module model.language_model.layers.0.self_attn.q_proj"),
    (drop_half, "only half of the LoRA"),
    (other_kind, "not that of a LoRA"),
    (unlisted, f"{WEIGHTS} is not in the manifest"),
    (no_files, "files: Field required"),
    (odd_form, "base_sha256: Input should be a valid dictionary"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES, ids=[d.__name__ for d, _ in DAMAGES])
def test_a_damage_is_refused_before_loading(
    store: ExpertStore, mllm: MLLM, damage: Callable[[Path], None], said: str
) -> None:
    damage(store.root / "A")
    with pytest.raises(MlubenchError) as error:
        store.mount(mllm, "A")
    assert said in str(error.value) and "\n" not in str(error.value)
    assert not hasattr(mllm.model, "peft_config")


def test_an_undamaged_expert_is_let_through(store: ExpertStore) -> None:
    facts = check_folder(store.root / "A")
    assert missing_fields(facts) == []
    sign(store.root / "A")
    assert check_folder(store.root / "A")["modules"] == facts["modules"]


def test_fields_that_lack() -> None:
    told = dict.fromkeys(
        ("task", "entities", "method", "settings", "base", "data_sha256", "modules"), "x"
    )
    assert missing_fields({**told, "base_revision": None, "base_sha256": {}}) == ["base_sha256"]
    assert missing_fields({**told, "base_sha256": {"a": "b"}}) == ["base_revision"]


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/" + "etc/x", "a//b", "./a", "C:x", "a\\b", "", "a/..", "a\n.json"],
)
def test_paths_that_leave(name: str) -> None:
    assert not is_inside(name)
    assert is_inside("a/b.json")


def test_shapes_are_read_off_the_header(tmp_path: Path) -> None:
    save_file(
        {"a.lora_A.weight": torch.zeros(2, 3), "b.c.bias": torch.zeros(4)},
        tmp_path / "x.safetensors",
    )
    shapes = tensors_in(tmp_path / "x.safetensors")
    assert shapes == {"a.lora_A.weight": (2, 3), "b.c.bias": (4,)}
    assert modules_of(shapes) == ["a", "b.c"]
    for data in (b"", b"\xff" * 64, (5).to_bytes(8, "little") + b"[[[[["):
        (tmp_path / "x.safetensors").write_bytes(data)
        with pytest.raises(MlubenchError, match="no safetensors file"):
            tensors_in(tmp_path / "x.safetensors")
