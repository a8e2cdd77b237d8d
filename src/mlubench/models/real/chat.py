"""Questions in words alone: some keep a base's language while it learns pictures, the others check that it was kept."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import TypedDict, cast

import yaml

from mlubench.models.mllm import MLLM
from mlubench.models.query import Query

# Of an answer, in tokens.
LONGEST_ANSWER = 24
# Questions asked at once.
BATCH = 24


class _ChatText(TypedDict):
    """What `chat.yaml` holds. The file is part of the package, so it is what its type says."""

    lessons: list[str]
    # A form with {} in it, and what goes there.
    families: dict[str, list[str]]
    checks: dict[str, list[str]]


@cache
def _text() -> _ChatText:
    file = resources.files("mlubench.models.real").joinpath("chat.yaml")
    return cast(_ChatText, yaml.safe_load(file.read_text(encoding="utf-8")))


def lessons() -> list[str]:
    """Questions whose answers by the untouched language model are among what a base is taught."""
    questions = list(_text()["lessons"])
    for form, subjects in _text()["families"].items():
        questions += [form.format(subject) for subject in subjects]
    return questions


def checks() -> dict[str, list[str]]:
    """Questions that are only ever asked, each with words of which a right answer has one."""
    return _text()["checks"]


def is_right(question: str, answer: str) -> bool:
    """Whether the answer to a question of `checks` has a right word in it, as a word of its own."""
    words = "|".join(re.escape(word) for word in checks()[question])
    return re.search(rf"(?<!\w)(?:{words})(?!\w)", answer, re.IGNORECASE) is not None


def answers_in_words(
    mllm: MLLM,
    questions: Sequence[str],
    *,
    longest: int = LONGEST_ANSWER,
    advance: Callable[[int], object] = lambda _: None,
) -> list[str]:
    """What a model says to questions without a picture, in at most `longest` tokens each.

    `advance` is called with the number of answers that came in.
    """
    answers: list[str] = []
    for start in range(0, len(questions), BATCH):
        queries = [Query(None, question) for question in questions[start : start + BATCH]]
        answers += mllm.generate(queries, max_new_tokens=longest)
        advance(len(queries))
    return answers
