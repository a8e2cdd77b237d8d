"""Processors for pictures and text alone: what a family wants for videos is left out, and torchvision with it."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlubench.models.plugins import register_model_classes

if TYPE_CHECKING:
    from transformers import BaseImageProcessor, PreTrainedTokenizerBase, ProcessorMixin


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


# Cached, so that the processors of one family are all of the same class.
@cache
def pictures_only(family_class: type["ProcessorMixin"]) -> type["ProcessorMixin"]:
    """A processor class without its video processor, which would need torchvision.

    transformers reads from the signature which parts a processor has, so that leaving the argument out is enough.
    """

    def __init__(  # noqa: N807 - it becomes the method of the class below
        self: "ProcessorMixin",
        image_processor: "BaseImageProcessor | None" = None,
        tokenizer: "PreTrainedTokenizerBase | None" = None,
        chat_template: str | None = None,
    ) -> None:
        family_class.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    # Under the family's own name, which is what is written when the processor is saved.
    members = {"__init__": __init__, "__doc__": family_class.__doc__}
    return type(family_class.__name__, (family_class,), members)
