"""Processors for pictures and text alone: what a family wants for videos is left out, and torchvision with it."""

from functools import cache
from pathlib import Path
from typing import Any


def load_processor(path: str | Path, **options: Any) -> Any:
    """The processor of a Hugging Face folder or id. Raises OSError or ValueError when it cannot be loaded."""
    from transformers import PROCESSOR_MAPPING, AutoConfig, AutoProcessor

    kind = PROCESSOR_MAPPING.get(type(AutoConfig.from_pretrained(path, **options)), None)
    if kind is None or "video_processor" not in kind.get_attributes():
        return AutoProcessor.from_pretrained(path, **options)
    return pictures_only(kind).from_pretrained(path, **options)


@cache
def pictures_only(kind: Any) -> Any:
    """A processor class without its video processor, which would need torchvision; saved under its ordinary name.

    transformers reads from the signature which parts a processor has, so that leaving the argument out is enough.
    """

    def __init__(  # noqa: N807 - it becomes the method of the class below
        self: Any, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None
    ) -> None:
        kind.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    return type(kind.__name__, (kind,), {"__init__": __init__, "__doc__": kind.__doc__})
