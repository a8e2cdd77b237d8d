"""The file that says what to build: one typed YAML, every wrong setting reported at once."""

from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from mlubench.core.errors import UsageError, all_errors
from mlubench.core.reading import read_yaml
from mlubench.data.pixels import MAX_PIXELS
from mlubench.settings.endpoint import EndpointSettings, ModelPrice, Parallel, Retries, Seconds
from mlubench.settings.strict import Strict


class EntityEntry(Strict):
    """An entity as a person writes it."""

    # A film may be called 1917: YAML reads a number there.
    model_config = ConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True, str_strip_whitespace=True
    )

    name: str
    cls: str = Field(alias="class")  # `class` is a word of Python's own
    aliases: list[str] = []
    wikipedia: str | None = Field(None, description="the title of its article")
    facts: dict[str, str] = Field({}, description="question id -> answer")


class EntitiesSpec(Strict):
    """Whom or what the benchmark is about. Exactly one of these is given."""

    given: list[EntityEntry] | None = Field(None, description="the entities themselves")
    file: Path | None = Field(None, description="a CSV or YAML file of them")
    world: int | None = Field(
        None, ge=16, le=2000, description="how many to draw from an invented world"
    )

    @model_validator(mode="before")
    @classmethod
    def _list_means_given(cls, value: Any) -> Any:
        return {"given": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _one_source(self) -> "EntitiesSpec":
        stated = [source for source in (self.given, self.file, self.world) if source is not None]
        if len(stated) != 1:
            raise ValueError("give a list of entities, or one of `file` and `world`")
        return self


class PicturesSpec(Strict):
    """Where pictures come from, and within which limits they are fetched and decoded."""

    kind: Literal["folder", "addresses", "render"] = Field(
        "render",
        description="`folder`: `root`/<Class>/<Name>/*. `addresses`: the list in `file`."
        " `render`: drawn stand-ins.",
    )
    root: Path | None = Field(None, description="the folder of kind `folder`")
    file: Path | None = Field(
        None, description="a CSV of entity, address, licence, source, of kind `addresses`"
    )
    licence: str = Field(
        "not stated", min_length=1, description="of pictures that bring none of their own"
    )
    per_entity: int = Field(10, ge=1, le=1000, description="drawn, or kept at most")
    size: int = Field(96, ge=16, le=2048, description="of drawn pictures, in pixels")
    max_bytes: int = Field(20_000_000, ge=1000, le=2**28, description="of a file")
    max_pixels: int = Field(
        MAX_PIXELS, ge=1000, le=100_000_000, description="of a picture before it is decoded"
    )
    max_side: int = Field(
        # A square of the largest has as many pixels as a run takes.
        1024,
        ge=16,
        le=isqrt(MAX_PIXELS),
        description="larger pictures are scaled down to it; pixels",
    )
    near: int = Field(
        4,
        ge=-1,
        le=32,
        description="two pictures of an entity are near-duplicates if at most so many of the 64"
        " bits of their difference hashes differ; -1 keeps all that differ in a byte",
    )
    seconds: float = Field(
        20, gt=0, le=600, description="of one attempt to fetch, or of one decoding"
    )
    max_redirects: int = Field(3, ge=0, le=10)
    retries: int = Field(
        3,
        ge=0,
        le=20,
        description="how often a fetch that failed for a passing reason is made again",
    )
    contact: str | None = Field(
        None,
        pattern=r"^[!-~]([ -~]{0,198}[!-~])?$",
        description="your e-mail or web address, told to every server: some give nothing without",
    )
    allow_private: bool = Field(False, description="fetch from private and loopback addresses too")

    @model_validator(mode="after")
    def _source_is_named(self) -> "PicturesSpec":
        if self.kind == "folder" and self.root is None:
            raise ValueError("kind folder needs `root`")
        if self.kind == "addresses" and self.file is None:
            raise ValueError("kind addresses needs `file`")
        return self


class AnswersSpec(EndpointSettings):
    """Where the true answers come from."""

    kind: Literal["given", "model"] = Field(
        "given",
        description="`given`: from the entities' facts alone. `model`: an endpoint is asked what no"
        " fact answers.",
    )
    model: str = Field("", description="its name at OPENAI_BASE_URL")
    picture: bool = Field(True, description="show the model the entity's first picture")
    max_side: int = Field(768, ge=32, le=8192, description="of the picture that is sent; pixels")
    max_tokens: int = Field(
        96, ge=8, le=65_536, description="of one reply; a model that thinks needs some thousands"
    )
    timeout: Seconds = 60
    retries: Retries = 3
    parallel: Parallel = 4
    limit: int = Field(10_000, ge=0, description="more calls are refused before the first")
    price_in: float = Field(0, ge=0, description="dollars for a million tokens of prompts")
    price_out: float = Field(0, ge=0, description="dollars for a million tokens of replies")
    max_cost: float | None = Field(
        None, gt=0, description="dollars; the build stops before more is spent"
    )

    def stated_prices(self) -> Mapping[str, ModelPrice]:
        if not self.price_in and not self.price_out:
            return {}
        return {self.model: ModelPrice(prompt=self.price_in, completion=self.price_out)}

    @model_validator(mode="after")
    def _model_is_named(self) -> "AnswersSpec":
        if self.kind == "model" and not self.model:
            raise ValueError("kind model needs `model`")
        return self


class ReviewSpec(Strict):
    """Whether a person has to look."""

    required: bool = Field(False, description="nothing is built from an item nobody looked at")


class KnowSpec(Strict):
    """Models that must all answer an item rightly for it to stay. Without models all stay."""

    models: list[str | dict[str, Any]] = Field(
        [],
        description="a folder, or settings of a tiny LLaVA (`{width: 96}`), which is then taught"
        " the items first: a stand-in for a pretrained model, where none is at hand",
    )
    judge: str = Field("rules", description="which judge says what is right")
    batch: int = Field(64, ge=1)
    max_new_tokens: int = Field(64, ge=1)


class SplitSpec(Strict):
    """How entities become tasks."""

    kind: Literal["by_class", "mixed", "similarity", "given"] = "mixed"
    tasks: int = Field(4, ge=1, le=1000)
    forget: float = Field(
        0.6, gt=0, lt=1, description="the share of a task's entities that is to be forgotten"
    )
    given: dict[str, dict[Literal["forget", "retain"], list[str]]] = Field(
        {}, description="{task: {forget: [keys], retain: [keys]}} of kind `given`"
    )


class WriteSpec(Strict):
    """What is written besides the official layout and the datasheet."""

    parquet: bool = True


class BuildSpec(Strict):
    """The whole spec. Paths are relative to the spec's own folder."""

    name: str = Field(min_length=1, max_length=80)
    seed: int = 0
    entities: EntitiesSpec
    questions: Path | None = Field(None, description="a file of classes to add or replace")
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
