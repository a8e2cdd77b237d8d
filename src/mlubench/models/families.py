"""The parts of a multimodal model by family: where the vision tower, the projector and the language model are."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from torch import nn

from mlubench.core.errors import UsageError
from mlubench.core.tables import Entry, Table
from mlubench.types import Part, Scope

PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, slots=True)
class Parts:
    """Dotted names of the modules that make up the three parts of one family's transformers model.

    A name that a model lacks (Qwen2.5-VL has no deepstack mergers) stands for nothing.
    """

    vision: tuple[str, ...]
    projector: tuple[str, ...]
    language: tuple[str, ...]

    def modules_of(self, parts: Sequence[Part]) -> tuple[str, ...]:
        return tuple(name for part in parts for name in getattr(self, part))

    def of_scope(self, scope: Scope) -> tuple[str, ...]:
        """The modules that a scope may change. `vision` is tower and projector, as in the paper's ablation."""
        return self.modules_of(parts_in(scope))

    def part_of(self, name: str) -> Part | None:
        """The part that a parameter or module belongs to, also under PEFT's prefix; None for the head and the like."""
        inside = name.removeprefix("base_model.model.") + "."
        return next(
            (p for p in PARTS if inside.startswith(tuple(f"{m}." for m in getattr(self, p)))), None
        )


def parts_in(scope: Scope) -> tuple[Part, ...]:
    """The parts that a scope names."""
    named: dict[Scope, tuple[Part, ...]] = {
        "language": ("language",),
        "projector": ("projector",),
        "vision": ("vision", "projector"),
        "all": PARTS,
    }
    return named[scope]


_LLAVA = Parts(("model.vision_tower",), ("model.multi_modal_projector",), ("model.language_model",))
# Qwen's tower holds its projector: the merger, and in Qwen3-VL one more merger for each deeper layer that is fed.
_QWEN = Parts(
    ("model.visual.patch_embed", "model.visual.pos_embed", "model.visual.blocks"),
    ("model.visual.merger", "model.visual.deepstack_merger_list"),
    ("model.language_model",),
)
# By `model_type`, as transformers names a family. A row holds its Parts.
FAMILIES = Table(
    "model family",
    {
        "llava": Entry(_LLAVA, "LLaVA 1.5"),
        "llava_next": Entry(_LLAVA, "LLaVA 1.6, whose pictures are cut into tiles"),
        "qwen2_vl": Entry(_QWEN, "Qwen2-VL"),
        "qwen2_5_vl": Entry(_QWEN, "Qwen2.5-VL"),
        "qwen3_vl": Entry(_QWEN, "Qwen3-VL"),
    },
    group="mlubench.families",
)


def parts_of(model: Any) -> Parts:
    """Parts of a transformers model. Raises UsageError for a family that is not in the table."""
    family = model.config.model_type
    if family not in FAMILIES:
        raise UsageError(
            f"model family {family!r} is not known", f"Known families: {', '.join(FAMILIES)}."
        )
    parts: Parts = FAMILIES.resolve(family)
    return parts


def lora_targets(model: nn.Module, parts: Sequence[Part]) -> str | None:
    """A regular expression that matches every linear layer of the parts, as PEFT's `target_modules`; None for none.

    The layers are read off the model itself, so that no family needs a list of its own.
    """
    if not parts:
        return None
    prefixes = parts_of(model).modules_of(parts)
    # What an adapter is mounted on already keeps its own name.
    found = {
        _pattern(name.removesuffix(".base_layer"))
        for name in _linear_layers(model)
        if _is_under(name, prefixes)
    }
    if not found:
        raise UsageError(
            f"no linear layer found under {', '.join(prefixes)}",
            "Check the family's row in models/families.py.",
        )
    return "|".join(sorted(found))


def _pattern(name: str) -> str:
    """A layer's name with any number for the layer above it: the last part stays, as it may be a place in a Sequential."""
    *above, last = name.split(".")
    return r"\.".join(
        [r"\d+" if part.isdigit() else re.escape(part) for part in above] + [re.escape(last)]
    )


def _linear_layers(model: nn.Module) -> Iterator[str]:
    for name, module in model.named_modules():
        if (
            isinstance(module, nn.Linear)
            and ".lora_" not in name
            and ".modules_to_save." not in name
        ):
            yield name


def _is_under(name: str, prefixes: Sequence[str]) -> bool:
    return name.startswith(tuple(f"{p}." for p in prefixes))


def whole_modules(model: nn.Module, parts: Sequence[Part]) -> list[str]:
    """Names of the modules to train whole, as PEFT's `modules_to_save` takes them: a list of layers is named one by one."""
    names: list[str] = []
    there = dict(model.named_modules())
    for path in parts_of(model).modules_of(parts):
        if isinstance(there.get(path), nn.ModuleList):
            names += [f"{path}.{n}" for n, _ in there[path].named_children()]
        elif path in there:
            names.append(path)
    return names
