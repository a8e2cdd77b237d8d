"""The judge `local:<path>`: a model in a folder says how likely it would score 0, 1 and 2."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import file_sha256
from mlubench.endpoint.client import Messages, Reply
from mlubench.endpoint.completion import Answer
from mlubench.judging.llm.judge import LLMJudge, Outstanding
from mlubench.judging.llm.prompts import IN_BRACKETS, Prompts
from mlubench.judging.llm.tools import JudgeTools, kept_replies

# The least probability of 0, 1 and 2 together. A model that gives them less would say something else.
LEAST_MASS = 0.01


def local_judge(name: str, tools: JudgeTools) -> LLMJudge:
    """The judge `local:<path>`, with its model still on the disk."""
    prompts = _prompts(tools)
    return LLMJudge(name, _source(name, tools), prompts, kept_replies())


def require_folder(name: str, tools: JudgeTools) -> None:
    """Raises UsageError where the folder holds no model, or the template is missing. Nothing is loaded."""
    _prompts(tools)
    _source(name, tools)


def _prompts(tools: JudgeTools) -> Prompts:
    settings = tools.settings
    return Prompts(settings.template, settings.utility_truth, reply=IN_BRACKETS)


def _source(name: str, tools: JudgeTools) -> "LocalSource":
    _, _, folder = name.partition(":")
    return LocalSource(Path(folder), tools)


class LocalSource:
    """The replies of a local model: its probabilities of 0, 1 and 2 where the score would stand.

    The model is loaded when the first question is asked. Raises UsageError for a folder without a model.
    """

    def __init__(self, folder: Path, tools: JudgeTools) -> None:
        if not (folder / "config.json").is_file():
            raise UsageError(
                f"{folder} holds no model", "Give local: a Hugging Face folder with config.json."
            )
        self._folder = folder
        self._tools = tools
        self._hashes: dict[str, str] = {}

    @property
    def identity(self) -> Any:
        """The model is known by its weights, wherever they lie."""
        if not self._hashes:
            for file in sorted(self._folder.glob("*.safetensors")):
                self._hashes[file.name] = file_sha256(file)
        return ["local", self._hashes, LEAST_MASS]

    def ask(
        self, asked: Sequence[Messages], readable: Callable[[str], bool]
    ) -> Iterator[list[tuple[int, Reply]]]:
        """Replies with the number of their question, a batch at a time.

        The same question has the same reply, so what is not readable is not asked again.
        """
        if not asked:
            return
        # Only here: torch takes seconds to load, and replies that are kept need no model.
        from mlubench.models.plugins import register_model_classes
        from mlubench.models.rater import Rater

        register_model_classes(self._tools.plugins)
        rater = Rater.load(self._folder, device=self._tools.device)
        texts = []
        for messages in asked:
            # What is asked of a judge is text alone.
            texts.append("\n\n".join(str(message["content"]) for message in messages))
        # Texts of about the same length go together, so that few rows are padded to the longest.
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        size = self._tools.settings.batch
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            ratings = rater.rate([texts[n] for n in batch])
            yield [(n, reply_of(chances)) for n, chances in zip(batch, ratings, strict=True)]

    def stop(self, why: MlubenchError) -> None:
        """Nothing is under way between batches."""

    def account(self) -> str:
        return "no requests: the model is a local one"

    def check(self) -> None:
        """The folder was looked at when the source was made."""

    def notices(self) -> list[str]:
        return []

    def cost(self, todo: Outstanding, *, batch: bool) -> Mapping[str, int | float | None]:
        return {"calls": len(todo.asked), "kept": todo.known}


def reply_of(chances: Sequence[float]) -> Reply:
    """The likeliest score as the reply that a model would write; an error where no score is the likeliest.

    `chances` are the probabilities of 0, 1 and 2.
    """
    shown = ", ".join(f"p({score})={chance:.3f}" for score, chance in enumerate(chances))
    best = max(range(3), key=lambda score: chances[score])
    # Written as "not at least", so that it also holds where a probability is no number (nan).
    says_something_else = not sum(chances) >= LEAST_MASS
    is_tied = sorted(chances)[1] == chances[best]
    if says_something_else or is_tied:
        return MlubenchError(f"the model says neither 0, 1 nor 2 here ({shown})")
    return Answer(f'{{"reason": "{shown}", "score": {best}}}')
