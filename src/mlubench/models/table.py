"""The table of bases that are made here rather than loaded from a folder."""

from mlubench.core.tables import Entry, Table

MODELS = Table(
    "model",
    {
        "toy": Entry(
            "mlubench.models.toy.base:toy_base",
            "a tiny real LLaVA trained from scratch on rendered pictures",
        ),
    },
    group="mlubench.models",
)
