"""The parts of a multimodal model by family: where the vision tower, the projector and the language model are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from torch import nn

from mlubench.core.errors import UsageError
from mlubench.core.tables import Entry, Table
from mlubench.models.part_names import find_part_names
from mlubench.types import Part, Scope

if TYPE_CHECKING:
    from transformers import PreTrainedModel

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
        """The dotted names of these parts' modules, in the order of the parts."""
        names: list[str] = []
        for part in parts:
            names += getattr(self, part)
        return tuple(names)

    def of_scope(self, scope: Scope) -> tuple[str, ...]:
        """The modules that a scope may change. `vision` is tower and projector, as in the paper's ablation."""
        return self.modules_of(parts_in(scope))

    def part_of(self, name: str) -> Part | None:
        """The part that a parameter or module belongs to, also under PEFT's prefix; None for the head and the like."""
        # With a dot behind it, the module that is itself a part counts as inside that part.
        path = name.removeprefix("base_model.model.") + "."
        for part in PARTS:
            if _is_inside(path, self.modules_of([part])):
                return part
        return None


def parts_in(scope: Scope) -> tuple[Part, ...]:
    """The parts that a scope names."""
    named: dict[Scope, tuple[Part, ...]] = {
        "language": ("language",),
        "projector": ("projector",),
        "vision": ("vision", "projector"),
        "all": PARTS,
    }
    return named[scope]


# Janus draws pictures too, by modules that stand beside its tower.
_JANUS = Parts(("model.vision_model",), ("model.aligner",), ("model.language_model",))
# By `model_type`, as transformers names a family: the Parts of those that `find_part_names` does not find rightly. Other
# packages add theirs.
FAMILIES = Table(
    "model family",
    {"janus": Entry(_JANUS, "Janus, of which only what sees and speaks is trained")},
    group="mlubench.families",
)


def parts_of(model: "PreTrainedModel") -> Parts:
    """Parts of a transformers model: its family's row, else as they are found in the model itself.

    Raises UsageError for a model in which they are not found.
    """
    family = model.config.model_type
    if family in FAMILIES:
        parts: Parts = FAMILIES.resolve(family)
        return parts
    return Parts(*find_part_names(model))


def lora_targets(model: "PreTrainedModel", parts: Sequence[Part]) -> str | None:
    """A regular expression that matches every linear layer of the parts, as PEFT's `target_modules`; None for none.

    The layers are read off the model itself, so that no family needs a list of its own.
    """
    if not parts:
        return None
    prefixes = parts_of(model).modules_of(parts)
    patterns: set[str] = set()
    for name, module in model.named_modules():
        # A part may be one layer, as Llama 3.2's projector is: with a dot, it is inside itself.
        if not isinstance(module, nn.Linear) or not _is_inside(f"{name}.", prefixes):
            continue
        # The matrices and copies of adapters that are mounted already are no layers of the model.
        if ".lora_" in name or ".modules_to_save." in name:
            continue
        # PEFT keeps a layer that it has wrapped as `base_layer`, under the layer's own name.
        patterns.add(_any_layer_number(name.removesuffix(".base_layer")))
    if not patterns:
        raise UsageError(
            f"no linear layer found under {', '.join(prefixes)}",
            "Choose another train.scope, or train the part whole by train.full.",
        )
    return "|".join(sorted(patterns))


def _any_layer_number(name: str) -> str:
    """A pattern of a layer's name in which the numbers above it stand for any number.

    The last part stays as it is, also a number: there it may be a place in a Sequential.
    """
    *above, last = name.split(".")
    pieces = []
    for piece in above:
        pieces.append(r"\d+" if piece.isdigit() else re.escape(piece))
    pieces.append(re.escape(last))
    return r"\.".join(pieces)


def _is_inside(name: str, modules: Sequence[str]) -> bool:
    # With the dot, or `model.visual.merger_norm` would be inside `model.visual.merger`.
    return name.startswith(tuple(f"{module}." for module in modules))


def whole_modules(model: "PreTrainedModel", parts: Sequence[Part]) -> list[str]:
    """Names of the modules to train whole, as PEFT's `modules_to_save` takes them."""
    names: list[str] = []
    modules = dict(model.named_modules())
    for path in parts_of(model).modules_of(parts):
        module = modules.get(path)
        # PEFT calls what it wraps, and a list of layers cannot be called: its layers are named one by one.
        if isinstance(module, nn.ModuleList):
            names += [f"{path}.{child}" for child, _ in module.named_children()]
        elif module is not None:
            names.append(path)
    return names
