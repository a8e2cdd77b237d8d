"""The sets of questions by class: nine come with the package, a file adds more or replaces them."""

from functools import cache
from importlib import resources
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mlubench.authoring.rows import PHRASINGS
from mlubench.authoring.stages import Context
from mlubench.authoring.tables import read_tree
from mlubench.core.errors import UsageError, all_errors
from mlubench.core.files import digest

NAME = "name"  # the question that an entity's own name answers


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class QuestionSet(_Strict):
    """One question. Each phrasing must hold one of the beginnings of words in `asks`: the attribute that is asked for.

    `sentence`, with {fact} in it, makes an answer of a fact that is no sentence itself.
    """

    asks: list[str] = Field(min_length=1)
    sentence: str | None = None
    phrasings: list[str] = Field(min_length=PHRASINGS, max_length=PHRASINGS)


class ClassSet(_Strict):
    """A class's questions. Each phrasing must hold one of the words of `subject`: what the picture shows."""

    subject: list[str] = Field(min_length=1)
    questions: dict[str, QuestionSet] = Field(min_length=1)


_Sets = TypeAdapter(dict[str, ClassSet])


@cache
def common_sets() -> dict[str, ClassSet]:
    """The sets of the nine official classes, in our own words."""
    text = (
        resources.files("mlubench.authoring").joinpath("questions.yaml").read_text(encoding="utf-8")
    )
    return _Sets.validate_python(yaml.safe_load(text))


def question_sets(ctx: Context) -> dict[str, ClassSet]:
    """The package's sets and over them those of the spec's file. Raises UsageError for a wrong file."""
    if ctx.spec.questions is None:
        return common_sets()
    path = ctx.outside(ctx.spec.questions)
    try:
        return common_sets() | _Sets.validate_python(read_tree(path))
    except ValidationError as error:
        raise UsageError(
            f"{path}: {all_errors(error)[:2000]}", "See docs/building.md on classes of your own."
        ) from None


def digest_of(sets: dict[str, ClassSet]) -> str:
    return digest({cls: one.model_dump(mode="json") for cls, one in sorted(sets.items())}, 64)


def facts_sentence(sets: dict[str, ClassSet], cls: str, question: str) -> str | None:
    one: Any = sets[cls].questions.get(question) if cls in sets else None
    return one.sentence if one else None
