"""Replies that a gate has been given, kept in a run's folder or in memory, so that nothing is asked and paid for twice."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mlubench.core.errors import MlubenchError
from mlubench.core.files import digest, file_sha256
from mlubench.models.mllm import Query

Reply = str | MlubenchError
Answerer = Callable[[Sequence[Query]], Iterable[Reply]]


class Replies:
    """Replies by who is asked, the picture's bytes and the whole prompt, which holds the question and the list."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.known: dict[str, str] = {}
        if path is not None and path.is_file():
            for line in path.read_bytes().split(b"\n"):
                try:
                    row = json.loads(line)
                except ValueError:  # the last line, cut by a kill: it is asked again
                    continue
                self.known[row["key"]] = row["reply"]

    def ask(self, who: str, queries: Sequence[Query], answer: Answerer) -> list[Reply]:
        """Known replies, and what `answer` says to the rest, each asked once. Errors are not kept."""
        keys = [_key(who, query) for query in queries]
        new = {
            k: q
            for k, q in zip(keys, queries, strict=True)
            if isinstance(k, str) and k not in self.known
        }
        failed: dict[str, MlubenchError] = {}
        for key, reply in zip(new, answer(list(new.values())) if new else (), strict=True):
            if isinstance(reply, str):
                self._keep(key, reply)
            else:
                failed[key] = reply
        return [k if isinstance(k, MlubenchError) else failed.get(k) or self.known[k] for k in keys]

    def _keep(self, key: str, reply: str) -> None:
        self.known[key] = reply
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as handle:
            handle.seek(0, 2)
            if handle.tell():
                handle.seek(-1, 2)
                if handle.read(1) != b"\n":  # what a kill left of a line must not swallow this one
                    handle.write(b"\n")
            handle.write(
                (json.dumps({"key": key, "reply": reply}, ensure_ascii=False) + "\n").encode()
            )


def _key(who: str, query: Query) -> str | MlubenchError:
    try:
        picture = file_sha256(query.image) if query.image is not None else ""
    except OSError as error:
        return MlubenchError(
            f"picture {query.image} cannot be read: {error.strerror}", "Give another one."
        )
    return digest([who, picture, query.question], 32)
