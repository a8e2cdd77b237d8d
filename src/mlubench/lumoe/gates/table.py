"""The table of gates: a new gate is a file in this room, a row here and a test."""

from mlubench.core.tables import Entry, Table

_ROOM = "mlubench.lumoe.gates"

GATES = Table(
    "gate",
    {
        "prototype": Entry(
            f"{_ROOM}.prototype:PrototypeGate",
            "nearest entity in whitened picture features, if near enough",
        ),
        "metric": Entry(
            f"{_ROOM}.metric:MetricGate",
            "whom a picture is like, by a metric learned on other things",
        ),
        "mention": Entry(
            f"{_ROOM}.mention:MentionGate", "names and aliases in the question, also misspelt"
        ),
        "hybrid": Entry(
            f"{_ROOM}.hybrid:HybridGate",
            "metric on the picture, mention on the question (default)",
        ),
        "mllm": Entry(
            f"{_ROOM}.mllm:MllmGate", "a model at an endpoint: which class, then whom", "2606.12809"
        ),
        "self": Entry(
            f"{_ROOM}.ask_base:SelfGate", "the two questions of mllm, asked of the base itself"
        ),
        "oracle": Entry(
            f"{_ROOM}.oracle:OracleGate", "told the entity: the upper bound, reported apart"
        ),
    },
    group="mlubench.gates",
)
