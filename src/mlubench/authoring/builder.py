"""Builds a benchmark from a spec: what the commands call, with the endpoint and the models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlubench.authoring.build_record import RECORD, StageState
from mlubench.authoring.rows import ItemRow
from mlubench.authoring.runner import plan_stages, run_stages
from mlubench.authoring.spec import AnswersSpec, read_spec
from mlubench.authoring.stage import (
    Context,
    ItemScores,
    ProgressCallback,
    Prompt,
    Stage,
    Tools,
    show_nothing,
)
from mlubench.authoring.stages.table import stages_of
from mlubench.core.errors import MlubenchError, UsageError
from mlubench.data.pictures import data_uri
from mlubench.endpoint.client import Chat, Parameters
from mlubench.endpoint.completion import Answer
from mlubench.endpoint.limits import Limits
from mlubench.endpoint.prices import Spend, price_of
from mlubench.runs.folder import LOCK, RunDir

# Prompts that are handed to the client at once, for each request under way. Not all: their pictures
# would be in memory together.
_PROMPTS_A_SLOT = 8


@dataclass(frozen=True)
class Build:
    """A spec and the folder that it is built in."""

    context: Context
    stages: list[Stage]
    spend: Spend  # what the endpoint was asked

    def run(self, *, redo: Sequence[str] = (), until: str | None = None) -> list[StageState]:
        """Bring the build up to date, while no other process works in its folder.

        See `run_stages` for `redo` and `until`.
        """
        self._check_packages(until)
        with RunDir(self.context.root).lock():
            return run_stages(self.stages, self.context, redo=redo, until=until)

    def plan(self) -> list[tuple[StageState, str]]:
        """How each stage stands, and what it would do; changes nothing."""
        return plan_stages(self.stages, self.context)

    def spent(self) -> str:
        """What the endpoint was asked in this build, in words; empty where nothing was."""
        return self.spend.in_words() if self.spend.requests else ""

    def _check_packages(self, until: str | None) -> None:
        """Before any stage: it would be annoying to learn of it after hours of pictures."""
        writes_parquet = self.context.spec.write.parquet and until in (None, "dataset", "datasheet")
        if writes_parquet and find_spec("pyarrow") is None:
            raise UsageError(
                "the pyarrow package is missing",
                "Run: pip install 'mlubench[build]', or set write: {parquet: false}.",
            )


def open_build(path: Path, out: Path, progress: ProgressCallback = show_nothing) -> Build:
    """The build of the spec at `path` in the folder `out`, new or begun. Nothing is made yet.

    Raises UsageError for a wrong spec or folder.
    """
    spec = read_spec(path)
    _check_folder(out)
    endpoint = _EndpointAsker(spec.answers)
    tools = Tools(endpoint, _score_knowledge)
    context = Context(spec, path.parent, out, tools, progress)
    return Build(context, stages_of(spec), endpoint.spend)


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is not a folder", "Give another --out.")
    if not out.is_dir() or (out / RECORD).is_file():
        return
    # A build that was stopped before its first stage leaves its lock.
    if any(file.name != LOCK for file in out.iterdir()):
        raise UsageError(
            f"{out} holds something that is not a build", "Give a new folder with --out."
        )


def _score_knowledge(ctx: Context, items: Sequence[ItemRow]) -> list[ItemScores]:
    # Brings torch along, which a build without models does not need.
    from mlubench.authoring.knowledge import score_knowledge

    return score_knowledge(ctx, items)


class _EndpointAsker:
    """Asks the endpoint of the spec. It is opened only when something is asked."""

    def __init__(self, settings: AnswersSpec) -> None:
        self._settings = settings
        # Only what the spec states: a build never goes by a price that may be old.
        price = price_of(settings.model, settings.stated_prices(), built_in=False)
        self.spend = Spend(price, settings.max_cost)

    def __call__(self, prompts: Sequence[Prompt]) -> Iterator[str | MlubenchError]:
        if not prompts:
            return
        settings = self._settings
        limits = Limits(settings.timeout, settings.retries, settings.parallel)
        chat = Chat(
            settings.model,
            limits,
            Parameters(settings.max_tokens),
            spend=self.spend,
            limit_setting="answers.max_tokens",
        )
        chat.check()
        step = _PROMPTS_A_SLOT * settings.parallel
        for start in range(0, len(prompts), step):
            conversations = [self._messages(prompt) for prompt in prompts[start : start + step]]
            for reply in chat.ask(conversations):
                yield reply.text if isinstance(reply, Answer) else reply

    def _messages(self, prompt: Prompt) -> list[Any]:
        content: list[dict[str, Any]] = [{"type": "text", "text": prompt.text}]
        if prompt.picture is not None:
            uri = data_uri(prompt.picture, self._settings.max_side)
            # Before the text: it says that the picture shows the subject.
            content.insert(0, {"type": "image_url", "image_url": {"url": uri}})
        return [{"role": "user", "content": content}]
