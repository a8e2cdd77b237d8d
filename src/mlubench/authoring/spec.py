"""The file that says what to build: one typed YAML, every wrong setting reported at once."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mlubench.core.errors import UsageError, all_errors
from mlubench.core.files import read_yaml


class _Strict(BaseModel):
    """A misspelt setting is an error, never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EntityEntry(_Strict):
    """An entity as a person writes it; `class` in the file, `cls` here."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True, str_strip_whitespace=True
    )

    name: str
    cls: str = Field(alias="class")
    aliases: list[str] = []
    wikipedia: str | None = None
    facts: dict[str, str] = {}


class EntitiesSpec(_Strict):
    """Exactly one: entities given here, a CSV or YAML file of them, or so many drawn from an invented world."""

    given: list[EntityEntry] | None = None
    file: Path | None = None
    world: int | None = Field(None, ge=16, le=2000)

    @model_validator(mode="before")
    @classmethod
    def _a_list_is_given(cls, value: Any) -> Any:
        return {"given": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _one_source(self) -> "EntitiesSpec":
        if sum(x is not None for x in (self.given, self.file, self.world)) != 1:
            raise ValueError("give a list of entities, or one of `file` and `world`")
        return self


class PicturesSpec(_Strict):
    """`folder`: `root`/<Class>/<Name>/*; `addresses`: `file`, a CSV of entity, address, licence, source; or `render`.

    `max_bytes` of a file, `max_pixels` before and `max_side` (pixels) after decoding, `near`: so many differing bits of
    64 or fewer make two pictures of an entity near-duplicates. `seconds` are of one whole fetch or one decoding.
    """

    kind: Literal["folder", "addresses", "render"] = "render"
    root: Path | None = None
    file: Path | None = None
    licence: str = Field(
        "not stated", min_length=1, description="of pictures that bring none of their own"
    )
    per_entity: int = Field(10, ge=1, le=1000, description="drawn, or kept at most")
    size: int = Field(96, ge=16, le=2048, description="of drawn pictures, in pixels")
    max_bytes: int = Field(20_000_000, ge=1000, le=2**28)
    max_pixels: int = Field(50_000_000, ge=1000, le=100_000_000)
    max_side: int = Field(1024, ge=16, le=8192)
    near: int = Field(4, ge=-1, le=32, description="-1 keeps all that differ in a byte")
    seconds: float = Field(20, gt=0, le=600)
    max_redirects: int = Field(3, ge=0, le=10)
    allow_private: bool = Field(False, description="fetch from private and loopback addresses too")

    @model_validator(mode="after")
    def _source_is_named(self) -> "PicturesSpec":
        needed = {"folder": "root", "addresses": "file"}.get(self.kind)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"kind {self.kind} needs `{needed}`")
        return self


class AnswersSpec(_Strict):
    """`given`: from the entities' facts alone. `model`: an endpoint is asked what no fact answers.

    Prices are dollars for a million tokens of prompts and of answers; `max_cost` stops before more is spent. More calls
    than `limit` are refused before the first.
    """

    kind: Literal["given", "model"] = "given"
    model: str = Field("", description="its name at OPENAI_BASE_URL")
    picture: bool = Field(True, description="show the model the entity's first picture")
    max_side: int = Field(768, ge=32, le=8192)
    max_tokens: int = Field(96, ge=8, le=4096)
    timeout: float = Field(60, gt=0)
    retries: int = Field(3, ge=0, le=10)
    parallel: int = Field(4, ge=1, le=64)
    limit: int = Field(10_000, ge=0)
    price_in: float = Field(0, ge=0)
    price_out: float = Field(0, ge=0)
    max_cost: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _model_is_named(self) -> "AnswersSpec":
        if self.kind == "model" and not self.model:
            raise ValueError("kind model needs `model`")
        return self


class ReviewSpec(_Strict):
    """Whether a person must have looked at every item before anything is built from it."""

    required: bool = False


class KnowSpec(_Strict):
    """Models that must all answer an item rightly, by `judge`, for it to stay. None: all stay.

    A model is a folder, or settings of a tiny LLaVA (`{width: 96}`), which is then taught the items first: a stand-in for
    a pretrained model, where none is at hand.
    """

    models: list[str | dict[str, Any]] = []
    judge: str = "rules"
    batch: int = Field(64, ge=1)
    max_new_tokens: int = Field(64, ge=1)


class SplitSpec(_Strict):
    """How entities become tasks; `given`: {task: {forget: [keys], retain: [keys]}} by hand."""

    kind: Literal["by_class", "mixed", "similarity", "given"] = "mixed"
    tasks: int = Field(4, ge=1, le=1000)
    forget: float = Field(
        0.6, gt=0, lt=1, description="the share of a task's entities that is to be forgotten"
    )
    given: dict[str, dict[Literal["forget", "retain"], list[str]]] = {}


class WriteSpec(_Strict):
    """What is written besides the official layout and the datasheet."""

    parquet: bool = True


class BuildSpec(_Strict):
    """The whole spec. Paths are relative to the spec's own folder. `questions`: a file of classes to add or replace."""

    name: str = Field(min_length=1, max_length=80)
    seed: int = 0
    entities: EntitiesSpec
    questions: Path | None = None
    pictures: PicturesSpec = PicturesSpec()
    answers: AnswersSpec = AnswersSpec()
    review: ReviewSpec = ReviewSpec()
    know: KnowSpec = KnowSpec()
    split: SplitSpec = SplitSpec()
    write: WriteSpec = WriteSpec()


def read_spec(path: Path) -> BuildSpec:
    """The spec in a YAML file. Raises UsageError that lists every wrong setting at once."""
    values = read_yaml(path, "Give a YAML file; examples/build.yaml is one.")
    try:
        return BuildSpec.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{path}: {all_errors(error)}", "See docs/building.md.") from None
