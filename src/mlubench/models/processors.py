"""Processors for pictures and text alone: what a family wants for videos is left out, and torchvision with it."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlubench.models.plugins import register_model_classes

if TYPE_CHECKING:
    from transformers import ProcessorMixin


def load_processor(path: str | Path, *, revision: str | None = None) -> "ProcessorMixin":
    """The processor of a Hugging Face folder or id; the repository's own code never runs.

    Raises OSError or ValueError when it cannot be loaded.
    """
    from transformers import PROCESSOR_MAPPING, AutoConfig, AutoProcessor

    register_model_classes()
    options = {"revision": revision, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(path, **options)
    family_class = PROCESSOR_MAPPING.get(type(config), None)
    if family_class is None or "video_processor" not in family_class.get_attributes():
        return AutoProcessor.from_pretrained(path, **options)
    return pictures_only(family_class).from_pretrained(path, **options)


class _NoVideos:
    """Stands where a family looks for its settings of videos, which nobody asks about here."""

    num_frames = 0
    fps = 0


# Cached, so that the processors of one family are all of the same class.
@cache
def pictures_only(family_class: type["ProcessorMixin"]) -> type["ProcessorMixin"]:
    """A processor class without its video processor, which would need torchvision."""

    def get_attributes() -> list[str]:
        return [name for name in family_class.get_attributes() if name != "video_processor"]

    def from_args_and_dict(
        cls: type["ProcessorMixin"],
        args: list[object],
        processor_dict: dict[str, object],
        **settings: object,
    ) -> "ProcessorMixin":
        # Some families must be told that there is none.
        return family_class.from_args_and_dict.__func__(
            cls, args, {**processor_dict, "video_processor": None}, **settings
        )

    # Under the family's own name, which is what is written when the processor is saved.
    members = {
        # SmolVLM's template asks it how many frames there are.
        "video_processor": _NoVideos(),
        "get_attributes": staticmethod(get_attributes),
        "from_args_and_dict": classmethod(from_args_and_dict),
        "__doc__": family_class.__doc__,
    }
    return type(family_class.__name__, (family_class,), members)
