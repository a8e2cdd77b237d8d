"""A question as a model is asked it: its words, the turns before it, and its pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mlubench.models.chat_template import History


class TurnPicture(NamedTuple):
    """A picture of a dialogue, and the number of the turn in which it stands, from 0."""

    turn: int
    path: Path


@dataclass(frozen=True, slots=True)
class Query:
    """A question about a picture, or about several."""

    image: Path | None  # None for a question in words alone
    question: str
    history: History = ()  # the turns before it
    # The turn in which the picture stands, from 0; the question's own is `len(history)`.
    image_turn: int = 0
    # More pictures, in the order of their turns. There are none without `image`.
    further: tuple[TurnPicture, ...] = ()

    @property
    def pictures(self) -> tuple[TurnPicture, ...]:
        """All pictures, in the order in which they stand in the dialogue."""
        if self.image is None:
            return ()
        return (TurnPicture(self.image_turn, self.image), *self.further)
