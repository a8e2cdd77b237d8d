"""The sets of questions by class: nine come with the package, a file adds more or replaces them."""

from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from mlubench.authoring.rows import PHRASINGS
from mlubench.authoring.stage import Context
from mlubench.authoring.user_files import read_yaml_value
from mlubench.core.errors import UsageError, all_errors
from mlubench.core.files import digest
from mlubench.settings.strict import Strict

NAME = "name"  # the question that an entity's own name answers
_LONGEST_MESSAGE = 2000  # characters


class QuestionSet(Strict):
    """One question and what each of its phrasings must speak of."""

    asks: list[str] = Field(
        min_length=1,
        description="beginnings of words, one of which every phrasing holds: what is asked for",
    )
    sentence: str | None = Field(
        None,
        description="with {fact} in it; makes an answer of a fact that is no sentence itself",
    )
    phrasings: list[str] = Field(min_length=PHRASINGS, max_length=PHRASINGS)


class ClassSet(Strict):
    """The questions of a class."""

    subject: list[str] = Field(
        min_length=1, description="words, one of which every phrasing holds: what the picture shows"
    )
    questions: dict[str, QuestionSet] = Field(min_length=1, description="by id")


_Sets = TypeAdapter(dict[str, ClassSet])


@cache
def official_sets() -> dict[str, ClassSet]:
    """The sets of the nine official classes, in our own words."""
    file = resources.files("mlubench.authoring.questions").joinpath("sets.yaml")
    return _Sets.validate_python(yaml.safe_load(file.read_text(encoding="utf-8")))


def class_sets(ctx: Context) -> dict[str, ClassSet]:
    """The package's sets and over them those of the spec's file, by class.

    Raises UsageError for a wrong file.
    """
    if ctx.spec.questions is None:
        return official_sets()
    path = ctx.outside(ctx.spec.questions)
    try:
        added = _Sets.validate_python(read_yaml_value(path))
    except ValidationError as error:
        raise UsageError(
            f"{path}: {all_errors(error)[:_LONGEST_MESSAGE]}",
            "See docs/building.md on classes of your own.",
        ) from None
    return official_sets() | added


def sets_hash(sets: Mapping[str, ClassSet]) -> str:
    return digest({cls: one.model_dump(mode="json") for cls, one in sorted(sets.items())}, 64)
