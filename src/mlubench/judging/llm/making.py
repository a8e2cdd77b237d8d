"""Makes the judges that ask a model, with what they need: settings, kept replies, the network or a model of one's own."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from mlubench.core.cache import cache_root
from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import file_sha256
from mlubench.endpoint.cache import ReplyCache
from mlubench.endpoint.client import Answer, Messages, Reply
from mlubench.endpoint.lifetimes import notices
from mlubench.judging.llm.endpoint import EndpointSource
from mlubench.judging.llm.judge import LLMJudge
from mlubench.judging.llm.prompts import IN_BRACKETS, Prompts
from mlubench.judging.table import JUDGES
from mlubench.settings.judging import JudgeConfig
from mlubench.settings.run import Config

CACHE = "judgements.sqlite"
LEAST_MASS = 0.01  # the probability that a model must give to 0, 1 and 2 together: below, it says something else


@dataclass(frozen=True, slots=True)
class JudgeTools:
    """What a judge that asks a model is made with."""

    settings: JudgeConfig = field(default_factory=JudgeConfig)
    device: str = "auto"


def openai_judge(name: str, tools: JudgeTools) -> LLMJudge:
    prompts = Prompts(tools.settings.template, tools.settings.utility_truth)
    # A prompt of the user's own is sent as it is, with nothing beside it that asks for another form of reply.
    source = EndpointSource(name.partition(":")[2], tools.settings, structured=prompts.own_words)
    return LLMJudge(name, source, prompts, _cache())


def local_judge(name: str, tools: JudgeTools) -> LLMJudge:
    prompts = Prompts(tools.settings.template, tools.settings.utility_truth, reply=IN_BRACKETS)
    return LLMJudge(name, LocalSource(Path(name.partition(":")[2]), tools), prompts, _cache())


def check_judge(config: Config) -> list[str]:
    """What should be known of the judge. Raises UsageError for one that could judge nothing: before a run does any work."""
    _, argument = JUDGES.row(config.judge)
    if not argument:
        return []
    judge: LLMJudge = JUDGES.resolve(config.judge)(
        config.judge, JudgeTools(config.judging, config.device)
    )
    if isinstance(judge.source, EndpointSource):
        judge.source.chat.check()
    return judge_notices(judge)


def judge_notices(judge: LLMJudge) -> list[str]:
    """What a user should know of the judge's model before paying for it."""
    return (
        list(notices(judge.source.chat, date.today()))
        if isinstance(judge.source, EndpointSource)
        else []
    )


class LocalSource:
    """The replies of a local model: its probabilities of 0, 1 and 2 where the score would stand."""

    def __init__(self, folder: Path, tools: JudgeTools) -> None:
        if not (folder / "config.json").is_file():
            raise UsageError(
                f"{folder} holds no model", "Give local: a Hugging Face folder with config.json."
            )
        self._folder, self._tools = folder, tools
        self._hashes: dict[str, str] = {}
        self._stopped = False

    @property
    def identity(self) -> Any:
        if not self._hashes:
            self._hashes = {
                f.name: file_sha256(f) for f in sorted(self._folder.glob("*.safetensors"))
            }
        return ["local", self._hashes, LEAST_MASS]

    def hear(
        self, asked: Sequence[Messages], readable: Callable[[str], bool]
    ) -> Iterator[list[tuple[int, Reply]]]:
        """The same question has the same reply, so what is not readable is not asked again."""
        if not asked:
            return
        # Loads torch, which no other judge needs.
        from mlubench.models.rater import Rater

        rater = Rater.load(self._folder, device=self._tools.device)
        texts = ["\n\n".join(m["content"] for m in messages) for messages in asked]
        # Alike in length together, so that few rows wait for the longest.
        order, size = (
            sorted(range(len(texts)), key=lambda n: len(texts[n])),
            self._tools.settings.batch,
        )
        for start in range(0, len(order), size):
            some = order[start : start + size]
            rated = rater.rate([texts[n] for n in some])
            yield [(n, _local_reply(chances)) for n, chances in zip(some, rated, strict=True)]

    def stop(self, why: MlubenchError) -> None:
        """Nothing is under way between batches."""

    def account(self) -> str:
        return "no requests: the model is a local one"


def _local_reply(chances: Sequence[float]) -> Reply:
    """The likeliest score as the reply a model would write. `chances` are the probabilities of 0, 1 and 2."""
    told = ", ".join(f"p({n})={p:.3f}" for n, p in enumerate(chances))
    best = max(range(3), key=lambda n: chances[n])
    if (
        not sum(chances) >= LEAST_MASS or sorted(chances)[1] == chances[best]
    ):  # also where one is no number
        return MlubenchError(f"the model says neither 0, 1 nor 2 here ({told})")
    return Answer(f'{{"reason": "{told}", "score": {best}}}')


def _cache() -> ReplyCache:
    """Shared by all runs of this machine: seeds and sweeps judge the same answers of the same base again and again."""
    return ReplyCache(cache_root() / CACHE)
