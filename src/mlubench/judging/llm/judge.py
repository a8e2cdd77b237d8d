"""The judges that ask a model: each question once, what was answered kept, and an error never a score."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import digest
from mlubench.endpoint.batches import Collected
from mlubench.endpoint.client import Messages, Reply
from mlubench.endpoint.completion import Answer
from mlubench.endpoint.limits import EndpointDownError
from mlubench.endpoint.prices import OverBudgetError
from mlubench.endpoint.replies import ReplyCache
from mlubench.judging.llm.prompts import Prompts
from mlubench.judging.llm.ratings import Rating, read_rating
from mlubench.types import Question, Verdict

VERSION = 2  # of how replies are asked for and read; a higher one asks everything again
Watch = Callable[[int, int], None]  # (answered, of)


class Source(Protocol):
    """Where replies come from: an endpoint or a model of one's own. `identity` is who is asked, and with which settings."""

    @property
    def identity(self) -> Any: ...

    def ask(
        self, asked: Sequence[Messages], readable: Callable[[str], bool]
    ) -> Iterator[list[tuple[int, Reply]]]:
        """Replies with the number of what they answer: each time those that have come meanwhile."""
        ...

    def stop(self, why: MlubenchError) -> None: ...

    def account(self) -> str:
        """What was spent so far, in words."""
        ...

    def check(self) -> None:
        """Raises UsageError where the source could answer nothing."""
        ...

    def notices(self) -> list[str]:
        """What a user should know of the model before paying for it, one line each."""
        ...

    def cost(self, todo: "Outstanding", *, batch: bool) -> Mapping[str, int | float | None]:
        """What asking these would take: `calls`, `kept` and what else the source can tell."""
        ...


@runtime_checkable
class BatchSource(Protocol):
    """A source that also takes many questions at once and answers them within a day, for less money."""

    def send_batches(self, asked: Mapping[str, Messages]) -> list[str]:
        """Send the questions, by the keys of their replies. Returns the names of the batches."""
        ...

    def collect_batch(self, name: str) -> Collected:
        """How far the batch is, and the replies that have come."""
        ...


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What is still to be asked of the source."""

    # What is to be sent, by the key under which its reply will be kept.
    asked: dict[str, Messages]
    # How many questions were given; equal ones are asked once.
    questions: int
    # How many different ones have a kept reply.
    known: int


class LLMJudge:
    """Judges by the rubric through a `Source`. Verdicts are of the replies kept in the cache, so any interruption resumes.

    Raises MlubenchError where the source cannot be used (the wrong key, an endpoint that is down, the budget used up);
    replies that had come by then are kept. A single question without a reply, or with one that cannot be read, is unscored.
    """

    def __init__(self, name: str, source: Source, prompts: Prompts, cache: ReplyCache) -> None:
        self.name = name
        self.source = source
        self._prompts = prompts
        self._cache = cache
        # Replies of this session that are of no use and would come again, by key.
        self._useless: dict[str, MlubenchError] = {}
        # Told after each group of replies; a progress bar.
        self.watch: Watch | None = None

    @property
    def version(self) -> str:
        """Verdicts of another version are not this judge's."""
        return digest([VERSION, self.source.identity, self._prompts.version()])

    def judge(self, questions: list[Question]) -> list[Verdict]:
        """One verdict a question, in order. An empty response is a 0 by the rubric and asked of nobody."""
        keys = [self._key_of(question) for question in questions]
        failed = self._useless | self._ask(self.outstanding(questions))
        known = self._cache.known(list(dict.fromkeys(key for key in keys if key)))
        verdicts = []
        for key in keys:
            if key is None:
                verdicts.append(Verdict(0, "empty"))
            else:
                verdicts.append(self._verdict(known.get(key), failed.get(key)))
        return verdicts

    def check(self) -> None:
        self.source.check()

    def notices(self) -> list[str]:
        return self.source.notices()

    def account(self) -> str:
        return self.source.account()

    def forecast(
        self, questions: Sequence[Question], *, batch: bool
    ) -> Mapping[str, int | float | None]:
        return self.source.cost(self.outstanding(questions), batch=batch)

    def batch_source(self) -> BatchSource | None:
        """Where questions can be sent in batches; None where they cannot."""
        return self.source if isinstance(self.source, BatchSource) else None

    def outstanding(self, questions: Sequence[Question]) -> Outstanding:
        """What judging these would ask: each different case once, without those whose reply is kept."""
        asked: dict[str, Messages] = {}
        for question in questions:
            key = self._key_of(question)
            if key is not None:
                asked[key] = self._prompts.messages(question)
        known = self._cache.known(list(asked))
        for key in [*known, *self._useless]:
            asked.pop(key, None)
        return Outstanding(asked, len(questions), len(known))

    def keep(self, replies: Mapping[str, Reply]) -> None:
        """Keep the replies that can be read: others are asked for again, errors only by another session."""
        readable: dict[str, Answer] = {}
        for key, reply in replies.items():
            if isinstance(reply, MlubenchError):
                self._useless[key] = reply
            elif self.readable(reply.text):
                readable[key] = reply
        self._cache.keep(readable)

    def readable(self, reply: str) -> bool:
        return self._read(reply).score is not None

    def _ask(self, todo: Outstanding) -> dict[str, MlubenchError]:
        """Ask for what is outstanding and keep it as it comes; what brought no reply is given back with the reason."""
        failed: dict[str, MlubenchError] = {}
        fatal: MlubenchError | None = None
        answered = 0
        keys = list(todo.asked)
        # To the end also after a fatal error: what is under way may be paid for already.
        for group in self.source.ask(list(todo.asked.values()), self.readable):
            self.keep({keys[n]: reply for n, reply in group if isinstance(reply, Answer)})
            for n, reply in group:
                if isinstance(reply, MlubenchError):
                    failed[keys[n]] = reply
                # Whatever is asked next would fail in the same way.
                if isinstance(reply, UsageError | EndpointDownError | OverBudgetError):
                    fatal = fatal or reply
                    self.source.stop(fatal)
            answered += len(group)
            if self.watch:
                self.watch(answered, len(keys))
        if fatal:
            raise fatal
        return failed

    def _key_of(self, question: Question) -> str | None:
        """By what the reply is kept; None of an empty response, which nobody is asked about."""
        if not question.response.strip():
            return None
        return digest([VERSION, self.source.identity, self._prompts.messages(question)], 64)

    def _read(self, reply: str) -> Rating:
        return read_rating(reply, self._prompts.pattern)

    def _verdict(self, answer: Answer | None, failed: MlubenchError | None) -> Verdict:
        if answer is None:
            return Verdict(None, failed.what if failed else "the judge gave no reply")
        rating = self._read(answer.text)
        facts = {"model": answer.model, "fingerprint": answer.fingerprint}
        return Verdict(rating.score, rating.reason, {k: v for k, v in facts.items() if v})


@runtime_checkable
class BatchJudge(Protocol):
    """What a judge has besides if its questions can be sent in batches."""

    def batch_source(self) -> BatchSource | None:
        """Where they are sent; None where this judge's model takes no batches."""
        ...

    def outstanding(self, questions: Sequence[Question]) -> Outstanding:
        """What is still to be asked."""
        ...

    def keep(self, replies: Mapping[str, Reply]) -> None:
        """Take in the replies that were collected, by their keys."""
        ...
