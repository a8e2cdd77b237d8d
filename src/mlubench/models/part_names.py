"""Where the vision tower, the projector and the language model are in a transformers model, found in the model itself.

transformers says which module encodes pictures (`get_encoder`) and which holds the text's layers (`get_decoder`). What
stands beside the tower and is neither of the two is the projector. Where nothing stands there, the tower holds it.
"""

import re
from typing import TYPE_CHECKING, NamedTuple

from torch import nn

from mlubench.core.errors import UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# What a projector inside a tower is called: Qwen's and GLM's merger, Qwen3's mergers of deeper layers, and others.
_INSIDE_A_TOWER = re.compile(r"merger|projector|connector|aligner|resampler|adapter")
# Modules beside a tower that hear, or see films.
_OF_OTHER_INPUTS = re.compile(r"audio|speech|sound|video")
# A second tower beside the first, as DeepSeek-VL has one of high resolution.
_TOWER = re.compile(r"vision_(tower|model|encoder)")


class PartNames(NamedTuple):
    """Dotted names of the modules of each part, in the model's order."""

    vision: tuple[str, ...]
    projector: tuple[str, ...]
    language: tuple[str, ...]


def find_part_names(model: "PreTrainedModel") -> PartNames:
    """The parts of a model, also of one on which adapters are mounted.

    Raises UsageError, which names the model's family, where one of the three is not found.
    """
    names = {module: name for name, module in model.named_modules()}
    decoder = _text_decoder(model)
    tower = _vision_tower(model)
    if decoder is None:
        raise _not_found(model, "layers of its language model")
    if tower is None or names[tower].startswith(f"{names[decoder]}."):
        raise _not_found(model, "vision tower beside its language model")
    if model.config.is_encoder_decoder:
        raise _not_found(model, "language model that reads and answers in one sequence")
    beside = _beside(model, names[tower], decoder)
    more_towers = tuple(name for name in beside if _TOWER.search(name.rpartition(".")[2]))
    projector = tuple(name for name in beside if name not in more_towers)
    vision = (names[tower], *more_towers)
    if not projector:
        projector, vision = _inside(tower, names[tower])
    if not projector:
        raise _not_found(model, "projector")
    return PartNames(vision, projector, (names[decoder],))


def _text_decoder(model: "PreTrainedModel") -> nn.Module | None:
    """The innermost module that holds the text's layers; None where there is none."""
    current: PreTrainedModel | None = model
    while current is not None and not hasattr(current, "layers"):
        inner = current.get_decoder() if hasattr(current, "get_decoder") else current
        # transformers gives a module itself where it finds none in it: of Llama 4's language model, which has one.
        current = inner if inner is not current else getattr(current, "model", None)
    return current


def _vision_tower(model: "PreTrainedModel") -> nn.Module | None:
    """The module that encodes pictures; None where transformers does not know it."""
    if not hasattr(model, "get_encoder"):
        return None
    found: nn.Module = model.get_encoder(modality="image")
    # transformers gives the model itself where it finds none.
    return None if found is model or found is getattr(model, "base_model", None) else found


def _beside(model: "PreTrainedModel", tower: str, decoder: nn.Module) -> tuple[str, ...]:
    """The modules beside the tower that are neither the text's, nor the head, nor for other inputs."""
    above = tower.rpartition(".")[0]
    not_it = [decoder, model.get_input_embeddings(), model.get_output_embeddings()]
    found = []
    for name, module in model.get_submodule(above).named_children():
        path = f"{above}.{name}" if above else name
        inside = set(module.modules())
        is_another_part = path == tower or any(each in inside for each in not_it)
        if is_another_part or _OF_OTHER_INPUTS.search(name):
            continue
        if _has_parameters(module):
            found.append(path)
    return tuple(found)


def _inside(tower: nn.Module, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The projector's modules in a tower that holds it, and the tower's others."""
    projector = []
    others = []
    for name, module in tower.named_children():
        if not _has_parameters(module):
            continue
        if _INSIDE_A_TOWER.search(name):
            projector.append(f"{path}.{name}")
        else:
            others.append(f"{path}.{name}")
    return tuple(projector), tuple(others)


def _has_parameters(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())


def _not_found(model: "PreTrainedModel", what: str) -> UsageError:
    return UsageError(
        f"model family {model.config.model_type!r} is not known: no {what} is found in its {type(model).__name__}",
        "Take a model of another family, or name its parts by an entry point of the group mlubench.families.",
    )
