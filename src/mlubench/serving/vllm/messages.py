"""A question with its history and pictures as the messages of a chat, in which no control token is left."""

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NotRequired

from typing_extensions import TypedDict

from mlubench.models.mllm import MLLM
from mlubench.models.plain_text import as_plain_text
from mlubench.models.query import Query


class Part(TypedDict):
    type: str
    text: NotRequired[str]
    image_url: NotRequired[dict[str, str]]


class Message(TypedDict):
    role: str
    content: str | list[Part]


def as_messages(mllm: MLLM, query: Query) -> list[Message]:
    """Each turn's pictures stand before its words, as in our own prompts.

    The server's tokenizer is the base's, so what is plain text to ours is plain text to it. Raises UsageError for a text
    in which a control token is left however it is written.
    """
    questions = [question for question, _ in query.history]
    questions.append(query.question)
    messages: list[Message] = []
    for turn, question in enumerate(questions):
        shown = [picture.path for picture in query.pictures if picture.turn == turn]
        text = as_plain_text(mllm.tokenizer, question)
        messages.append({"role": "user", "content": _content(mllm, text, shown)})
        if turn < len(query.history):
            answer = as_plain_text(mllm.tokenizer, query.history[turn][1])
            messages.append({"role": "assistant", "content": answer})
    return messages


def _content(mllm: MLLM, text: str, pictures: Sequence[Path]) -> list[Part]:
    parts: list[Part] = []
    for path in pictures:
        parts.append({"type": "image_url", "image_url": {"url": _data_uri(mllm, path)}})
    parts.append({"type": "text", "text": text})
    return parts


def _data_uri(mllm: MLLM, path: Path) -> str:
    """The pixels that the gate has seen, whatever the file was: turned upright, in RGB."""
    png = BytesIO()
    mllm.picture(path).save(png, "PNG")
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
