"""What a stage of a build is, and what the builder hands it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mlubench.authoring.rows import ItemRow
from mlubench.authoring.spec import BuildSpec
from mlubench.core.errors import MlubenchError

# Called with what is being done, how many of it are done, and how many there are.
ProgressCallback = Callable[[str, int, int], None]

# The score of one item by a model's name: 0 to 2, or None where the answer could not be judged.
ItemScores = dict[str, int | None]

_NO_TOOL = "Build with `mlubench data build`."


@dataclass(frozen=True, slots=True)
class Prompt:
    """What an endpoint is asked once."""

    text: str
    picture: Path | None  # the file to show with the text


class PromptAsker(Protocol):
    """Asks an endpoint.

    Replies come in the order of the prompts. An error stands in the place of a reply that did not
    come; it is not raised.
    """

    def __call__(self, prompts: Sequence[Prompt]) -> Iterator[str | MlubenchError]: ...


class KnowledgeScorer(Protocol):
    """Asks every model of the spec about every item. Scores come in the order of the items."""

    def __call__(self, ctx: "Context", items: Sequence[ItemRow]) -> list[ItemScores]: ...


def no_endpoint(prompts: Sequence[Prompt]) -> Iterator[str | MlubenchError]:
    raise MlubenchError("this build has no endpoint to ask", _NO_TOOL)


def no_models(ctx: "Context", items: Sequence[ItemRow]) -> list[ItemScores]:
    raise MlubenchError("this build has no models to ask", _NO_TOOL)


@dataclass(frozen=True, slots=True)
class Tools:
    """What needs an endpoint or torch. Stages get it handed down, so that they import neither."""

    ask: PromptAsker = no_endpoint
    score_knowledge: KnowledgeScorer = no_models


def show_nothing(what: str, done: int, total: int) -> None:
    return None


@dataclass(frozen=True)
class Context:
    """What a stage may use."""

    spec: BuildSpec
    base: Path  # the folder that relative paths of the spec start from
    root: Path  # the build's own folder
    tools: Tools = field(default_factory=Tools)
    progress: ProgressCallback = show_nothing
    # The hash of the inputs of the stage that runs. Unfinished rows carry it (see partial_rows.py).
    stamp: str = ""
    # The stage was finished from the same inputs and is `unfinished` again: its rows are good.
    goes_on: bool = False

    def outside(self, path: Path) -> Path:
        """Where a path of the spec lies."""
        return self.base / path


def always(spec: BuildSpec) -> bool:
    return True


def never(ctx: Context) -> bool:
    return False


@dataclass(frozen=True)
class Stage:
    """One step of a build. It reads what earlier stages wrote and writes plain files."""

    name: str
    # Files or folders in the build's folder. The first is the one that a person mends.
    outputs: tuple[str, ...]
    # Earlier stages whose outputs this one reads.
    needs: tuple[str, ...]
    # The part of the spec and the hashes of outside files that the outputs depend on. The value is
    # anything that JSON can hold; build.json keeps its hash, so its form must never change.
    settings: Callable[[Context], object]
    # Writes all outputs.
    make: Callable[[Context], None]
    # Says on one line what `make` would do, for --dry-run.
    plan: Callable[[Context], str]
    # Whether a finished output lacks what the same inputs may give today.
    unfinished: Callable[[Context], bool] = never
    # Whether a build of this spec has the stage at all.
    wanted: Callable[[BuildSpec], bool] = always
