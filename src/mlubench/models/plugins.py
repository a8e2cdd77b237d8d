"""Model classes that transformers does not know: ours, and those of other packages.

Code comes only from modules that Python finds by their names, never from a folder of weights.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from mlubench.core.errors import MlubenchError, UsageError, first_line
from mlubench.core.spelling import is_module_name

# An installed package names here a function that registers its classes with transformers' Auto classes.
GROUP = "mlubench.model_classes"
# How transformers says that it knows no class: of the whole, and of a part. Lists of all that it knows may follow.
_UNKNOWN_TYPE = (
    re.compile(r"has model type [`'\"](\S+?)[`'\"] but Transformers does not recognize"),
    re.compile(r"Unrecognized model type for subconfig: (\S+?)\. "),
)


def register_model_classes(plugins: Sequence[str] = ()) -> None:
    """Make the classes known to transformers: ours, those of installed packages, and those that `plugins` register.

    A plug-in is a module by its name, as `model.plugins` names it, and registers its classes when it is imported. What
    has been done once is not done again. Raises MlubenchError where a package's function cannot be imported or fails,
    UsageError where a plug-in does, or lies in a folder of weights.
    """
    _register_installed()
    for name in plugins:
        _import_plugin(name)


@cache
def _register_installed() -> None:
    from transformers import AutoConfig, AutoModel

    from mlubench.models.real.tower import EfficientNetLiteConfig, EfficientNetLiteModel
    from mlubench.models.toy.eye import EmblemEyeConfig, EmblemEyeModel

    AutoConfig.register(EfficientNetLiteConfig.model_type, EfficientNetLiteConfig)
    AutoModel.register(EfficientNetLiteConfig, EfficientNetLiteModel)
    AutoConfig.register(EmblemEyeConfig.model_type, EmblemEyeConfig)
    AutoModel.register(EmblemEyeConfig, EmblemEyeModel)
    for entry in entry_points(group=GROUP):
        try:
            entry.load()()
        # Whatever a stranger's code raises, the user must learn which package it was.
        except Exception as error:
            raise MlubenchError(
                f"{entry.value}, which the group {GROUP} names, fails: {error!r}",
                f"Mend or uninstall {entry.dist.name if entry.dist else 'the package'}.",
            ) from error


def _import_plugin(name: str) -> None:
    if not is_module_name(name):
        raise UsageError(
            f"plug-in {name!r} is no module's name",
            "Give it as Python imports it: model.plugins=[package.module].",
        )
    if name in sys.modules:
        return
    top = name.partition(".")[0]
    # Looked for and not imported yet: of a dotted name the first part alone can be.
    for folder in _folders_of(top):
        if any(folder.glob("*.safetensors")) or (folder / "config.json").is_file():
            raise UsageError(
                f"plug-in {name} lies in {folder}, which is a folder of weights",
                "Code is never taken from there: install it as a package of its own.",
            )
    try:
        import_module(name)
    # Whatever a stranger's code raises, the user must learn which module it was.
    except Exception as error:
        raise UsageError(
            f"plug-in {name} cannot be imported: {first_line(error)}",
            "Install the package that holds it, or mend model.plugins.",
        ) from error


def _folders_of(top: str) -> Iterator[Path]:
    """The folders in which a module or package of that name lies; none where there is none."""
    try:
        spec = find_spec(top)
    # Of a module that was put together in memory.
    except ValueError:
        return
    if spec is None:
        return
    for folder in spec.submodule_search_locations or ():
        yield Path(folder)
        yield Path(folder).parent
    if spec.has_location and spec.origin is not None:
        yield Path(spec.origin).parent


def why_not_loaded(error: Exception, hint: str) -> tuple[str, str]:
    """Why a library could not load a model, in one short line, and what to do: `hint`, or how an unknown class is named.

    transformers answers an unknown model type with a list of all those that it knows.
    """
    for pattern in _UNKNOWN_TYPE:
        found = pattern.search(str(error))
        if found:
            return (
                f"no model class is known for its model type {found[1]!r}",
                "Install a transformers that has it, or name the module that registers it: model.plugins=[MODULE].",
            )
    return first_line(error), hint
