"""Messages as a question with its history and its pictures, so that the gate is shown every word and every picture.

What a system message says belongs to the turn that follows it. An answer that the caller has begun is read as part of the
question: the model begins its answer itself, since a beginning that is put into its mouth is a known way to get out what it
would refuse.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlubench.lumoe.engine.batching import AskRequest
from mlubench.models.query import TurnPicture
from mlubench.serving.failures import wrong
from mlubench.serving.limits import Limits
from mlubench.serving.wire import Message, PicturePart

# Makes the file of a picture by its address and its number.
SavePicture = Callable[[str, int], Path]


@dataclass(eq=False)
class _Turn:
    """What was asked, and what was answered to it; None where nothing was yet."""

    asked: list[str] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    answered: list[str] | None = None

    @property
    def question(self) -> str:
        return "\n".join(self.asked)

    @property
    def answer(self) -> str:
        return "\n".join(self.answered or [])


def as_request(
    request_id: str, messages: Sequence[Message], limits: Limits, save: SavePicture
) -> AskRequest:
    """The request that these messages are. Raises ApiError for too many, or for none that asks anything."""
    _require_within(messages, limits)
    turns: list[_Turn] = []
    number = 0
    for message in messages:
        if message.role == "assistant":
            if not turns:
                turns.append(_Turn())
            turns[-1].answered = turns[-1].answered or []
        elif not turns or turns[-1].answered is not None:
            turns.append(_Turn())
        turn = turns[-1]
        for part in message.parts:
            if isinstance(part, PicturePart):
                if message.role == "assistant":
                    raise wrong("an answer cannot hold a picture", "messages")
                turn.pictures.append(save(part.image_url.url, number))
                number += 1
            elif message.role == "assistant":
                assert turn.answered is not None
                turn.answered.append(part.text)
            else:
                turn.asked.append(part.text)
    return _request(request_id, turns)


def _request(request_id: str, turns: Sequence[_Turn]) -> AskRequest:
    *earlier, last = turns
    question = "\n".join([*last.asked, *(last.answered or [])])
    pictures = []
    for turn_number, turn in enumerate(turns):
        pictures += [TurnPicture(turn_number, path) for path in turn.pictures]
    if not question.strip() and not pictures:
        raise wrong("the messages ask nothing", "messages")
    history = tuple((turn.question, turn.answer) for turn in earlier)
    if not pictures:
        return AskRequest(request_id, None, question, history)
    first, *further = pictures
    return AskRequest(
        request_id,
        first.path,
        question,
        history,
        image_turn=first.turn,
        further=tuple(further),
    )


def _require_within(messages: Sequence[Message], limits: Limits) -> None:
    if not any(message.role == "user" for message in messages):
        raise wrong("there is no message of a user", "messages")
    if len(messages) > limits.messages:
        raise wrong(f"there are more than {limits.messages} messages", "messages")
    pictures = 0
    characters = 0
    for message in messages:
        for part in message.parts:
            if isinstance(part, PicturePart):
                pictures += 1
            else:
                characters += len(part.text)
    if pictures > limits.pictures:
        raise wrong(f"there are more than {limits.pictures} pictures", "messages")
    if characters > limits.characters:
        raise wrong(f"the messages have more than {limits.characters:,} characters", "messages")
