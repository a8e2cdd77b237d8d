"""The table of judges: a new judge is a file in this room, a row here and a test.

A row whose name takes an argument (`openai:<model>`) asks a model.
"""

from mlubench.core.tables import Entry, Table

_ROOM = "mlubench.judging"

JUDGES = Table(
    "judge",
    {
        "rules": Entry(
            f"{_ROOM}.rules.judge:RulesJudge",
            "offline rules: refusal phrases, overlap, leaks, gibberish",
        ),
        "shuffled": Entry(
            f"{_ROOM}.shuffled:ShuffledJudge",
            "control: rules on answers dealt to the wrong samples",
        ),
        "openai:<model>": Entry(
            f"{_ROOM}.llm.endpoint:openai_judge",
            "a model at an OpenAI-compatible endpoint, by the rubric",
            requires=f"{_ROOM}.llm.endpoint:require_endpoint",
        ),
        "local:<path>": Entry(
            f"{_ROOM}.llm.local:local_judge",
            "a model in a Hugging Face folder, by how likely it says 0, 1, 2",
            requires=f"{_ROOM}.llm.local:require_folder",
        ),
    },
    group="mlubench.judges",
)
