"""The judges that ask a model: each question once, what was answered kept, and an error never a score."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import digest
from mlubench.endpoint.cache import ReplyCache
from mlubench.endpoint.client import Answer, Messages, Reply
from mlubench.endpoint.limits import EndpointDownError
from mlubench.endpoint.prices import OverBudgetError
from mlubench.judging.llm.prompts import Prompts
from mlubench.judging.llm.ratings import Rating, read_rating
from mlubench.types import Question, Verdict

VERSION = 1  # of how replies are asked for and read; a higher one asks everything again
Watch = Callable[[int, int], None]  # (answered, of)


class Source(Protocol):
    """Where replies come from: an endpoint or a model of one's own. `identity` is who is asked, and with which settings."""

    @property
    def identity(self) -> Any: ...

    def hear(
        self, asked: Sequence[Messages], readable: Callable[[str], bool]
    ) -> Iterator[list[tuple[int, Reply]]]:
        """Replies with the number of what they answer: each time those that have come meanwhile."""
        ...

    def stop(self, why: MlubenchError) -> None: ...

    def account(self) -> str:
        """What was spent so far, in words."""
        ...


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What is still to be asked of the source, by key, and how many questions stand behind it."""

    asked: dict[str, Messages]
    questions: int
    known: int


class LLMJudge:
    """Judges by the rubric through a `Source`. Verdicts are of the replies kept in the cache, so any interruption resumes.

    Raises MlubenchError where the source cannot be used (the wrong key, an endpoint that is down, the budget used up);
    replies that had come by then are kept. A single question without a reply, or with one that cannot be read, is unscored.
    """

    def __init__(self, name: str, source: Source, prompts: Prompts, cache: ReplyCache) -> None:
        self.name, self.source = name, source
        self._prompts, self._cache = prompts, cache
        self.watch: Watch | None = None

    @property
    def version(self) -> str:
        """Verdicts of another version are not this judge's."""
        return digest([VERSION, self.source.identity, self._prompts.version()])

    def judge(self, questions: list[Question]) -> list[Verdict]:
        """One verdict a question, in order. An empty response is a 0 by the rubric and asked of nobody."""
        keys = [
            self._key(self._prompts.messages(q)) if q.response.strip() else "" for q in questions
        ]
        failed = self._ask(self.outstanding(questions))
        known = self._cache.known(list(dict.fromkeys(k for k in keys if k)))
        return [
            self._verdict(known.get(k), failed.get(k)) if k else Verdict(0, "empty") for k in keys
        ]

    def outstanding(self, questions: Sequence[Question]) -> Outstanding:
        """What judging these would ask: each different case once, without those whose reply is kept."""
        cases = [self._prompts.messages(q) for q in questions if q.response.strip()]
        by_key = {self._key(case): case for case in cases}
        known = self._cache.known(list(by_key))
        return Outstanding(
            {k: m for k, m in by_key.items() if k not in known}, len(questions), len(known)
        )

    def keep(self, replies: dict[str, Answer]) -> None:
        """Keep the replies that can be read: others are asked for again."""
        self._cache.keep({k: a for k, a in replies.items() if self.readable(a.text)})

    def readable(self, reply: str) -> bool:
        return self._read(reply).score is not None

    def _ask(self, todo: Outstanding) -> dict[str, MlubenchError]:
        """Ask for what is outstanding and keep it as it comes; what brought no reply is given back with the reason."""
        failed: dict[str, MlubenchError] = {}
        fatal: MlubenchError | None = None
        done = 0
        keys, replies = list(todo.asked), self.source.hear(list(todo.asked.values()), self.readable)
        # To the end also after a fatal error: what is under way may be paid for already.
        for group in replies:
            self.keep({keys[n]: reply for n, reply in group if isinstance(reply, Answer)})
            for n, reply in group:
                if isinstance(reply, MlubenchError):
                    failed[keys[n]] = reply
                if isinstance(reply, UsageError | EndpointDownError | OverBudgetError):
                    fatal = fatal or reply
                    self.source.stop(fatal)
            done += len(group)
            if self.watch:
                self.watch(done, len(keys))
        if fatal:
            raise fatal
        return failed

    def _key(self, messages: Messages) -> str:
        return digest([VERSION, self.source.identity, messages], 64)

    def _read(self, reply: str) -> Rating:
        return read_rating(reply, self._prompts.pattern)

    def _verdict(self, answer: Answer | None, failed: MlubenchError | None) -> Verdict:
        if answer is None:
            return Verdict(None, failed.what if failed else "the judge gave no reply")
        rating = self._read(answer.text)
        facts = {"model": answer.model, "fingerprint": answer.fingerprint}
        return Verdict(rating.score, rating.reason, {k: v for k, v in facts.items() if v})
