"""Whether an expert fits the base in memory: its id, its weights, every module and shape, before PEFT sees anything."""

import re
from pathlib import Path
from typing import Any

from peft import LoraConfig
from peft.tuners.tuners_utils import check_target_module_exists

from mlubench.core.errors import MlubenchError
from mlubench.core.reading import read_json
from mlubench.lumoe.experts.manifest import (
    CONFIG,
    PREFIX,
    WEIGHTS,
    check_folder,
    tensors_in,
)
from mlubench.lumoe.experts.renaming import older_name_error, todays
from mlubench.models.mllm import MLLM
from mlubench.models.quantised import packed_matrix
from mlubench.runs.manifest import ManifestFacts

# By the name of a tensor.
Shapes = dict[str, tuple[int, ...]]
# Settings that may differ from PEFT's defaults: with these a LoRA is a sum of deltas. Others change the base when they are
# loaded (PiSSA, OLoRA), name modules to import, or make a change that cannot be added up (DoRA).
ADDITIVE_SETTINGS = {
    "base_model_name_or_path",
    "revision",
    "peft_version",
    "inference_mode",
    "task_type",
    "auto_mapping",
    "r",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
    "modules_to_save",
    "rank_pattern",
    "alpha_pattern",
    "use_rslora",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
}
_LOAD_ITS_BASE = "Load the base it was made for."
# Where the weights of the base were compared: it is the very base, so that another one would not help.
_RENAMED = "The base has the right weights, so another version of transformers named its modules: make the expert anew."


def verified(mllm: MLLM, name: str, folder: Path) -> None:
    """Everything about the expert in `folder`: raises MlubenchError when it is damaged, or does not fit this base."""
    require_fit(mllm, name, check_folder(folder), folder)


def require_fit(mllm: MLLM, name: str, facts: ManifestFacts, folder: Path) -> None:
    """Raises MlubenchError when the expert in `folder` was not made for this base, or is not a sum of deltas on it."""
    _require_base(mllm, name, facts)
    _require_additive(name, folder)
    config = LoraConfig.from_pretrained(str(folder))
    tensors = {
        key.removeprefix(PREFIX): shape for key, shape in tensors_in(folder / WEIGHTS).items()
    }
    _require_modules(mllm, name, tensors, config, facts)


def _require_base(mllm: MLLM, name: str, facts: ManifestFacts) -> None:
    made_for = facts.get("base")
    expected = facts.get("base_sha256")
    # The same folder may lie elsewhere on another machine, or have been named by a relative path: then the weights decide.
    only_moved = bool(expected) and Path(str(made_for)).name == Path(mllm.name).name
    if made_for != mllm.name and not only_moved:
        raise MlubenchError(
            f"expert {name!r} was made for {made_for}, not {mllm.name}", "Load that base."
        )
    trained_in = facts.get("base_quantization", "none")
    if trained_in != mllm.quantization:
        raise MlubenchError(
            f"expert {name!r} was trained on a base of quantization {trained_in}, and this one has {mllm.quantization}",
            f"Load the base so: -s model.quantization={trained_in}.",
        )
    # Manifests of older runs hold no hashes.
    if not expected:
        return
    got = mllm.weight_hashes()
    if not got:
        raise MlubenchError(
            f"the weights of {mllm.name} cannot be hashed, so expert {name!r} cannot be checked against them",
            "Load the base from a local folder of safetensors.",
        )
    for file in sorted({*got, *expected}):
        if got.get(file) != expected.get(file):
            raise MlubenchError(
                f"expert {name!r} was made for other weights of {made_for}: {file} differs",
                _LOAD_ITS_BASE,
            )


def _require_additive(name: str, folder: Path) -> None:
    defaults = LoraConfig().to_dict()
    for key, value in read_json(folder / CONFIG, dict).items():
        default = defaults.get(key)
        # Versions of PEFT spell "not set" as None, False or an empty list.
        unset = not value and not default
        if key not in ADDITIVE_SETTINGS and value != default and not unset:
            raise MlubenchError(
                f"expert {name!r} sets {key}={value!r}, which is more than a sum of deltas",
                "Train a plain LoRA.",
            )


def base_shapes(mllm: MLLM) -> Shapes:
    """Shapes of the base's own parameters by name, as they were before any adapter was mounted."""
    shapes = {}
    # Tied parameters are listed under each of their names, as an expert may name either.
    for name, parameter in mllm.base.named_parameters(remove_duplicate=False):
        if ".lora_" in name or ".modules_to_save." in name:
            continue
        shapes[_own_name(name)] = tuple(parameter.shape)
    for name, module in mllm.base.named_modules():
        # What is held in fewer bits has another shape in memory.
        matrix = packed_matrix(module)
        if matrix is not None:
            shapes[_own_name(f"{name}.weight")] = matrix
    return shapes


def _own_name(name: str) -> str:
    """The base's own name of a parameter: PEFT puts its layer below the adapter, under one more name."""
    return re.sub(r"\.(base_layer|original_module)(?=\.)", "", name)


# `config` is PEFT's LoraConfig, which brings no types.
def _require_modules(
    mllm: MLLM, name: str, tensors: Shapes, config: Any, facts: ManifestFacts
) -> None:
    """Both ways: what the expert brings is in the base, and what its settings name is in the expert.

    PEFT passes over the first with a warning, and leaves the second at a fresh adapter that does nothing.
    """
    shapes = base_shapes(mllm)
    whole_modules = config.modules_to_save or []
    # What the expert brings: modules with a LoRA, and parameters trained whole.
    lora_modules = {key.rpartition(".lora_")[0] for key in tensors if ".lora_" in key}
    whole_brought = {key for key in tensors if ".lora_" not in key}
    # What its settings name in this base.
    lora_named = set()
    for key, shape in shapes.items():
        module = key.removesuffix(".weight")
        is_matrix = key.endswith(".weight") and len(shape) > 1
        if is_matrix and check_target_module_exists(config, module):
            lora_named.add(module)
    whole_named = {key for key in shapes if _is_under(key, whole_modules)}

    whole_unnamed = {key for key in whole_brought if not _is_under(key, whole_modules)}
    surplus = sorted((lora_modules - lora_named) | whole_unnamed)
    if surplus:
        new = todays(surplus[0])
        # The base is the right one then, and only the names are not.
        if new != surplus[0] and (new in shapes or f"{new}.weight" in shapes):
            raise older_name_error(name, surplus[0])
        raise MlubenchError(
            f"expert {name!r} changes {surplus[0]}, which {mllm.name} lacks",
            _RENAMED if facts.get("base_sha256") else _LOAD_ITS_BASE,
        )
    lacking = sorted((lora_named - lora_modules) | (whole_named - whole_brought))
    if lacking:
        raise MlubenchError(
            f"expert {name!r} lacks module {lacking[0]}, which its settings name",
            "Import it again.",
        )
    for module in sorted(lora_modules):
        a = tensors[f"{module}.lora_A.weight"]  # (r, in)
        b = tensors[f"{module}.lora_B.weight"]  # (out, r)
        if shapes[f"{module}.weight"] != (b[0], a[-1]) or a[0] != b[-1]:
            raise MlubenchError(
                f"expert {name!r} does not fit {module} of {mllm.name}", _LOAD_ITS_BASE
            )
    for key in sorted(whole_named):
        if tensors[key] != shapes[key]:
            raise MlubenchError(
                f"expert {name!r} does not fit {key} of {mllm.name}", _LOAD_ITS_BASE
            )


def _is_under(key: str, modules: list[str]) -> bool:
    """Whether a parameter belongs to one of these modules, of which each may be the end of a longer name."""
    return any(f".{module}." in f".{key}" for module in modules)
