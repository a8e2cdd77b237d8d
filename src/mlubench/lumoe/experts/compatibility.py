"""Whether an expert fits the base in memory: its id, its weights, every module and shape, before PEFT sees anything."""

import re
from pathlib import Path
from typing import Any

from peft import LoraConfig
from peft.tuners.tuners_utils import check_target_module_exists

from mlubench.core.errors import MlubenchError
from mlubench.core.files import read_json
from mlubench.lumoe.experts.manifest import CONFIG, PREFIX, WEIGHTS, check_folder, tensors_in
from mlubench.models.mllm import MLLM

Shapes = dict[str, tuple[int, ...]]
# Settings that may differ from PEFT's defaults: with these a LoRA is a sum of deltas. Others change the base when they are
# loaded (PiSSA, OLoRA), name modules to import, or make a change that cannot be added up (DoRA).
SUMS = {
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


def base_id(name: str) -> str:
    """The base's id as a manifest says it: of a folder on this machine its own name alone."""
    return Path(name).name if Path(name).is_absolute() else name


def verified(mllm: MLLM, name: str, folder: Path) -> None:
    """Everything about the expert in `folder`: raises MlubenchError when it is damaged, or does not fit this base."""
    require_fit(mllm, name, check_folder(folder), folder)


def require_fit(mllm: MLLM, name: str, facts: dict[str, Any], folder: Path) -> None:
    """Raises MlubenchError when the expert in `folder` was not made for this base, or is not a sum of deltas on it."""
    _require_base(mllm, name, facts)
    _require_sum(name, folder)
    _require_modules(
        mllm, name, tensors_in(folder / WEIGHTS), LoraConfig.from_pretrained(str(folder))
    )


def _require_base(mllm: MLLM, name: str, facts: dict[str, Any]) -> None:
    made_for, hashes = facts.get("base"), facts.get("base_sha256")
    # The same folder may lie elsewhere on another machine: then the weights decide.
    moved = bool(hashes) and base_id(str(made_for)) == base_id(mllm.name)
    if made_for != mllm.name and not moved:
        raise MlubenchError(
            f"expert {name!r} was made for {made_for}, not {mllm.name}", "Load that base."
        )
    if not hashes:
        return
    here = mllm.weight_hashes()
    if not here:
        raise MlubenchError(
            f"the weights of {mllm.name} cannot be hashed, so expert {name!r} cannot be checked against them",
            "Load the base from a local folder of safetensors.",
        )
    if here != hashes:
        odd = next(f for f in sorted({*here, *hashes}) if here.get(f) != hashes.get(f))
        raise MlubenchError(
            f"expert {name!r} was made for other weights of {made_for}: {odd} differs",
            "Load the base it was made for.",
        )


def _require_sum(name: str, folder: Path) -> None:
    usual = LoraConfig().to_dict()
    for key, value in read_json(folder / CONFIG).items():
        if key not in SUMS and value != usual.get(key) and (value or usual.get(key)):
            raise MlubenchError(
                f"expert {name!r} sets {key}={value!r}, which is more than a sum of deltas",
                "Train a plain LoRA.",
            )


def base_shapes(mllm: MLLM) -> Shapes:
    """Shapes of the base's own parameters by name, as they were before any adapter was mounted."""
    shapes = {}
    for name, parameter in mllm.base.named_parameters(remove_duplicate=False):
        if ".lora_" not in name and ".modules_to_save." not in name:
            shapes[re.sub(r"\.(base_layer|original_module)(?=\.)", "", name)] = tuple(
                parameter.shape
            )
    return shapes


def _require_modules(mllm: MLLM, name: str, tensors: Shapes, config: Any) -> None:
    """Both ways: what the expert brings is in the base, and what its settings name is in the expert.

    PEFT passes over the first with a warning, and leaves the second at a fresh adapter that does nothing.
    """
    shapes = base_shapes(mllm)
    inside = {key.removeprefix(PREFIX): shape for key, shape in tensors.items()}
    lora = {key.rpartition(".lora_")[0] for key in inside if ".lora_" in key}
    matrices = [
        key.removesuffix(".weight")
        for key, shape in shapes.items()
        if key.endswith(".weight") and shape[1:]
    ]
    named = {m for m in matrices if check_target_module_exists(config, m)}
    whole = {key for key in shapes if _under(key, config.modules_to_save or [])}
    brought = {key for key in inside if ".lora_" not in key}
    if odd := sorted(
        (lora - named) | {k for k in brought if not _under(k, config.modules_to_save or [])}
    ):
        raise MlubenchError(
            f"expert {name!r} changes {odd[0]}, which {mllm.name} lacks",
            "Load the base it was made for.",
        )
    if odd := sorted((named - lora) | (whole - brought)):
        raise MlubenchError(
            f"expert {name!r} lacks module {odd[0]}, which its settings name", "Import it again."
        )
    for module in sorted(lora):
        a, b = (inside[f"{module}.lora_{end}.weight"] for end in "AB")
        if shapes[f"{module}.weight"] != (b[0], a[-1]) or a[0] != b[-1]:
            raise MlubenchError(
                f"expert {name!r} does not fit {module} of {mllm.name}",
                "Load the base it was made for.",
            )
    if odd := sorted(key for key in whole if inside[key] != shapes[key]):
        raise MlubenchError(
            f"expert {name!r} does not fit {odd[0]} of {mllm.name}",
            "Load the base it was made for.",
        )


def _under(key: str, modules: list[str]) -> bool:
    return any(f".{m}." in f".{key}" for m in modules)
