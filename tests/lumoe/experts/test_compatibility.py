"""What fits the base and is a sum of deltas is mounted; all else is refused while the base is still untouched."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.experts.manifest import base_id, modules_of, tensors_in
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.models.adapters import add_adapter, save_adapter
from mlubench.models.families import PARTS
from mlubench.models.mllm import MLLM
from mlubench.settings.training import LoraConfig
from support.expert_folders import CONFIG, WEIGHTS, sign


def refused(store: ExpertStore, mllm: MLLM, said: str) -> None:
    with pytest.raises(MlubenchError) as error:
        store.mount(mllm, "A")
    assert said in str(error.value) and "\n" not in str(error.value)
    assert not hasattr(mllm.model, "peft_config")


def settings(folder: Path, **changes: Any) -> None:
    told = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**told, **changes}))
    sign(folder)


def tensors(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]
) -> None:
    """Change the weights, and let the manifest agree in every word."""
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)
    sign(folder, modules=modules_of(tensors_in(folder / WEIGHTS)))


@pytest.mark.parametrize(
    "change",
    [
        {"use_dora": True},
        {"init_lora_weights": "pissa"},
        {"bias": "all"},
        {"megatron_config": {"x": 1}},
        {"layer_replication": [[0, 2]]},
        {"from_the_future": "x"},
    ],
    ids=lambda c: next(iter(c)),
)
def test_what_is_no_sum_is_refused(store: ExpertStore, mllm: MLLM, change: dict[str, Any]) -> None:
    settings(store.root / "A", **change)
    refused(store, mllm, next(iter(change)))


def test_settings_that_name_more_than_the_weights_hold(store: ExpertStore, mllm: MLLM) -> None:
    """PEFT would fill the gap with an adapter that does nothing, and say nothing."""
    gone = "layers.1.mlp.down_proj"
    tensors(store.root / "A", lambda found: {k: v for k, v in found.items() if gone not in k})
    refused(store, mllm, "lacks module model.language_model.layers.1.mlp.down_proj")


def test_weights_for_a_module_that_the_base_lacks(store: ExpertStore, mllm: MLLM) -> None:
    """PEFT would pass over them with a warning."""
    tensors(
        store.root / "A",
        lambda found: {k.replace("layers.0.", "layers.99."): v for k, v in found.items()},
    )
    refused(store, mllm, "layers.99")


def test_a_shape_that_does_not_fit(store: ExpertStore, mllm: MLLM) -> None:
    tensors(
        store.root / "A",
        lambda found: {
            k: v[:, :-1].contiguous() if "q_proj.lora_A" in k else v for k, v in found.items()
        },
    )
    refused(store, mllm, "does not fit")


def test_a_part_trained_whole_fits_too(load_base: Callable, facts: dict, tmp_path: Path) -> None:
    made, mllm, store = load_base(), load_base(), ExpertStore(tmp_path / "whole")
    add_adapter(made, "A", LoraConfig(r=4, alpha=4), "all", seed=0, full=["projector"])
    (tmp_path / "plain").mkdir()
    save_adapter(made, "A", tmp_path / "plain")
    store.add("A", tmp_path / "plain", facts)
    tensors(
        store.root / "A",
        lambda found: {k: v for k, v in found.items() if "projector.linear_1.weight" not in k},
    )
    refused(store, mllm, "lacks module model.multi_modal_projector.linear_1.weight")
    assert store.add("A", tmp_path / "plain", facts) == 2
    store.mount(mllm, "A")
    assert {mllm.parts.part_of(m) for m in store.manifest("A")["modules"]} == set(PARTS)


def test_the_second_expert_is_checked_as_the_first(store: ExpertStore, mllm: MLLM) -> None:
    tensors(
        store.root / "B",
        lambda found: {k.replace("layers.0.", "layers.99."): v for k, v in found.items()},
    )
    store.mount(mllm, "A")
    with pytest.raises(MlubenchError, match=r"layers\.99"):
        store.mount(mllm, "B")
    assert list(mllm.model.peft_config) == ["A"]


def test_ids_of_bases(tmp_path: Path) -> None:
    assert base_id(str(tmp_path / "llava")) == "llava"
    assert base_id("maker/llava") == "maker/llava"
