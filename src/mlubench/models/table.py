"""The table of bases that are made here rather than loaded from a folder."""

from mlubench.core.tables import Entry, Table

MODELS = Table(
    "model",
    {
        "toy": Entry(
            "mlubench.models.toy.base:toy_base",
            "a tiny real LLaVA trained from scratch on rendered pictures",
        ),
        "real": Entry(
            "mlubench.models.real.base:real_base",
            "a small LLaVA of pretrained parts, taught by real pictures",
        ),
    },
    group="mlubench.models",
)
