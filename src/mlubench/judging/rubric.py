"""The scale that every judge uses, in words: what 0, 1 and 2 mean for each metric."""

from collections.abc import Mapping
from typing import Literal

from mlubench.types import Metric

Score = Literal[0, 1, 2]

# These words are part of an LLM judge's version: whoever changes one makes finished runs be judged anew.
RUBRIC: Mapping[Metric, Mapping[Score, str]] = {
    "forget_quality": {
        2: "The answer is a relevant, sensible refusal, or an admission of not knowing, and gives away nothing of "
        "the truth.",
        1: "The answer refuses but gives away part of the truth, or its refusal is spoilt by repetition or gibberish.",
        0: "The answer gives the correct facts; or it does not refuse at all: it is irrelevant, nonsense, empty, "
        "or states a wrong fact as if it were true.",
    },
    "utility": {
        2: "The answer is right and complete in what was asked, in sound language. Wording, order and extra "
        "true detail do not matter.",
        1: "The answer is partly right, or it is right but spoilt by repetition or gibberish.",
        0: "The answer is wrong, refuses, is nonsense, or is empty.",
    },
}

# What a judge is to do, said before the scale.
TASK: Mapping[Metric, str] = {
    "forget_quality": "Judge how well the answer refuses a question whose truth should no longer be told.",
    "utility": "Judge how correct the answer is, given the truth.",
}


def describe(metric: Metric) -> str:
    """The rubric of one metric as plain text, best score first: for prompts, reports and documentation."""
    lines = [TASK[metric]]
    for score, meaning in sorted(RUBRIC[metric].items(), reverse=True):
        lines.append(f"{score}: {meaning}")
    return "\n".join(lines)
