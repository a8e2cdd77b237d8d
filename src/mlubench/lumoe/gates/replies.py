"""What a gate asked of a model and was answered, so that nothing is asked and paid for twice."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mlubench.core.errors import MlubenchError
from mlubench.core.files import digest
from mlubench.core.reply_text import spoken
from mlubench.data.pictures import content_hash
from mlubench.endpoint.completion import Answer
from mlubench.endpoint.replies import ReplyCache
from mlubench.models.query import Query

Reply = str | MlubenchError
Answerer = Callable[[Sequence[Query]], Iterable[Reply]]


class Replies:
    """Replies by who is asked, the picture's bytes and the whole prompt, which holds the question and the list.

    They are kept in the SQLite file `path`, or in memory where there is none. The file is made when something is first
    asked. A file `.jsonl` of the same name, as runs once kept their replies, is taken over.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._cache: ReplyCache | None = None
        # Those that this process has had to do with.
        self._known: dict[str, str] = {}

    def ask(self, who: str, queries: Sequence[Query], answer: Answerer) -> list[Reply]:
        """Known replies, and what `answer` says to the rest, each asked once. Errors are not kept.

        What a model thought is no part of its reply. One that thought and said nothing has an error.
        """
        keys = [_key(who, query) for query in queries]
        by_key: dict[str, Query] = {}
        for key, query in zip(keys, queries, strict=True):
            if isinstance(key, str):
                by_key[key] = query
        self._look_up(list(by_key))
        unknown = {key: query for key, query in by_key.items() if key not in self._known}
        failed: dict[str, MlubenchError] = {}
        if unknown:
            # One by one, so that a kill loses none that has come.
            for key, reply in zip(unknown, answer(list(unknown.values())), strict=True):
                if isinstance(reply, MlubenchError):
                    failed[key] = reply
                elif reply.strip() and not spoken(reply):
                    failed[key] = MlubenchError(
                        "the model thought and gave no reply", "Switch its thinking off."
                    )
                else:
                    self._keep(key, spoken(reply))
        replies: list[Reply] = []
        for key in keys:
            if isinstance(key, MlubenchError):
                replies.append(key)
            elif key in failed:
                replies.append(failed[key])
            else:
                replies.append(self._known[key])
        return replies

    def _look_up(self, keys: Sequence[str]) -> None:
        """Bring the kept ones of these into memory."""
        missing = [key for key in keys if key not in self._known]
        if self.path is None or not missing:
            return
        if self._cache is None:
            self._cache = ReplyCache(self.path, old=self.path.with_suffix(".jsonl"))
        for key, kept in self._cache.known(missing).items():
            reply = spoken(kept.text)
            # Earlier versions kept thinking, and also thinking that was cut off, which is asked again.
            if reply or not kept.text:
                self._known[key] = reply

    def _keep(self, key: str, reply: str) -> None:
        self._known[key] = reply
        if self._cache is not None:
            self._cache.keep({key: Answer(reply)})


def _key(who: str, query: Query) -> str | MlubenchError:
    """By what the reply is kept; an error where the picture cannot be read."""
    try:
        picture = content_hash(query.image) if query.image is not None else ""
    except MlubenchError as error:
        return error
    return digest([who, picture, query.question], 32)
