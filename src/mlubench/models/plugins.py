"""Model classes that transformers does not know: ours, and those of other packages.

Code comes only from installed packages, never from a folder of weights.
"""

from functools import cache
from importlib.metadata import entry_points

from mlubench.core.errors import MlubenchError

# An installed package names here a function that registers its classes with transformers' Auto classes.
GROUP = "mlubench.model_classes"


@cache
def register_model_classes() -> None:
    """Make the classes known to transformers. What has been done once is not done again.

    Raises MlubenchError where a package's function cannot be imported or fails.
    """
    from transformers import AutoConfig, AutoModel

    from mlubench.models.real.tower import EfficientNetLiteConfig, EfficientNetLiteModel

    AutoConfig.register(EfficientNetLiteConfig.model_type, EfficientNetLiteConfig)
    AutoModel.register(EfficientNetLiteConfig, EfficientNetLiteModel)
    for entry in entry_points(group=GROUP):
        try:
            entry.load()()
        # Whatever a stranger's code raises, the user must learn which package it was.
        except Exception as error:
            raise MlubenchError(
                f"{entry.value}, which the group {GROUP} names, fails: {error!r}",
                f"Mend or uninstall {entry.dist.name if entry.dist else 'the package'}.",
            ) from error
