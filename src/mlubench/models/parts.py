"""The parts of a multimodal model by family: where the vision tower, the projector and the language model are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from torch import nn

from mlubench.errors import UsageError
from mlubench.types import Part, Scope

PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, slots=True)
class Parts:
    """Dotted names of the three parts inside the transformers model of one family."""

    vision: str
    projector: str
    language: str

    def of_scope(self, scope: Scope) -> tuple[str, ...]:
        """The parts that a scope may change. `vision` is tower and projector, as in the paper's ablation."""
        return tuple(getattr(self, part) for part in parts_in(scope))


def parts_in(scope: Scope) -> tuple[Part, ...]:
    return {"vision": ("vision", "projector"), "all": PARTS}.get(scope, (scope,))  # type: ignore[return-value]


_LLAVA = Parts("model.vision_tower", "model.multi_modal_projector", "model.language_model")
_QWEN = Parts("model.visual.blocks", "model.visual.merger", "model.language_model")
FAMILIES = {"llava": _LLAVA, "llava_next": _LLAVA, "qwen2_vl": _QWEN, "qwen2_5_vl": _QWEN, "qwen3_vl": _QWEN}


def parts_of(model: Any) -> Parts:
    """Parts of a transformers model. Raises UsageError for a family that is not in the table."""
    family = model.config.model_type
    if family not in FAMILIES:
        raise UsageError(f"model family {family!r} is not known", f"Known families: {', '.join(FAMILIES)}.")
    return FAMILIES[family]


def lora_targets(model: nn.Module, parts: Sequence[Part]) -> str | None:
    """A regular expression that matches every linear layer of the parts, as PEFT's `target_modules` takes it; None for none.

    The layers are read off the model itself, so that no family needs a list of its own.
    """
    if not parts:
        return None
    prefixes = [getattr(parts_of(model), part) for part in parts]
    leaves = sorted(
        {
            # what an adapter is mounted on already keeps its own name
            name.removesuffix(".base_layer").rsplit(".", 1)[-1]
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear)
            and ".lora_" not in name
            and ".modules_to_save." not in name
            and name.startswith(tuple(p + "." for p in prefixes))
        }
    )
    if not leaves:
        raise UsageError(
            f"no linear layer found under {', '.join(prefixes)}", "Check the family's row in models/parts.py."
        )
    return rf"({'|'.join(map(re.escape, prefixes))})\.(.*\.)?({'|'.join(map(re.escape, leaves))})"


def whole_modules(model: nn.Module, parts: Sequence[Part]) -> list[str]:
    """Names of the modules to train whole, as PEFT's `modules_to_save` takes them: a list of layers is named one by one."""
    names: list[str] = []
    for part in parts:
        path = getattr(parts_of(model), part)
        module = model.get_submodule(path)
        names += [f"{path}.{n}" for n, _ in module.named_children()] if isinstance(module, nn.ModuleList) else [path]
    return names
