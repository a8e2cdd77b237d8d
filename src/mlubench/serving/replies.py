"""What callers get: an answer whole, or the same answer in pieces."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal, NotRequired

from typing_extensions import TypedDict

from mlubench.lumoe.engine.requests import Finished

# A word with the space behind it.
_PIECES = re.compile(r"\S+\s*|\s+")


class Usage(TypedDict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Said(TypedDict):
    role: Literal["assistant"]
    content: str
    refusal: None


class Choice(TypedDict):
    index: int
    message: Said
    logprobs: None
    finish_reason: str


class Told(TypedDict):
    """What admins alone are told: where the request went, and why."""

    route: dict[str, object]
    second_look: dict[str, object] | None
    fault: str | None


class Completion(TypedDict):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    mlubench: NotRequired[Told]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with what stands around it."""

    id: str
    created: int
    model: str
    finished: Finished
    # Whether the route is told.
    route: bool = False

    def whole(self) -> Completion:
        completion: Completion = {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": self.finished.text,
                        "refusal": None,
                    },
                    "logprobs": None,
                    "finish_reason": self.finished.ended,
                }
            ],
            "usage": self.usage,
        }
        if self.route:
            completion["mlubench"] = told(self.finished)
        return completion

    def stream(self, *, usage: bool) -> Iterator[bytes]:
        """Server-sent events: the role, the text piece by piece, why it ends, and what it took."""
        yield self._event({"role": "assistant", "content": ""})
        for piece in _PIECES.findall(self.finished.text):
            yield self._event({"content": piece})
        yield self._event({}, self.finished.ended)
        if usage:
            yield _event({**self._chunk(), "choices": [], "usage": self.usage})
        yield b"data: [DONE]\n\n"

    @property
    def usage(self) -> Usage:
        asked = self.finished.prompt_tokens
        answered = self.finished.answer_tokens
        return {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "total_tokens": asked + answered,
        }

    def _chunk(self) -> dict[str, object]:
        chunk: dict[str, object] = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
        }
        if self.route:
            chunk["mlubench"] = told(self.finished)
        return chunk

    def _event(self, delta: dict[str, str], ended: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": ended}
        return _event({**self._chunk(), "choices": [choice]})


def _event(chunk: dict[str, object]) -> bytes:
    return f"data: {json.dumps(chunk)}\n\n".encode()


def told(finished: Finished) -> Told:
    look = None
    if finished.second_look is not None:
        look = asdict(finished.second_look)
        # The draft is what must not leave.
        del look["draft"]
    return {"route": asdict(finished.route), "second_look": look, "fault": finished.fault}
