"""A person's review of a build: its cards, and what was said of them so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlubench.authoring.review.verdicts import (
    LOG,
    ReviewRow,
    append_to_log,
    apply_verdicts,
    read_log,
)
from mlubench.authoring.rows import ItemRow, ReviewVerdict
from mlubench.core import lines


class ReviewRequest(BaseModel):
    """What the page sends when a person has said something."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    card: int = Field(ge=0, description="the number of the card")
    verdict: ReviewVerdict
    scope: Literal["card", "fact"] = Field(
        "card", description="`fact`: all cards of its fact, which an edited answer is always of"
    )
    answer: str = Field("", max_length=4000, description="of an edited one")

    @model_validator(mode="after")
    def _edit_has_an_answer(self) -> "ReviewRequest":
        if self.verdict == "edited" and not self.answer:
            raise ValueError("the answer is empty")
        return self


class Card(TypedDict):
    """What the page shows at once: a picture with one question in all its phrasings."""

    card: int
    entity: str
    question: str
    texts: list[str]  # the phrasings
    answer: str
    made: str  # the answer as the build made it
    verdict: str
    who: str
    when: str


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class ReviewSession:
    """The cards of a build in the order of its items, and the log that grows with every word."""

    root: Path  # the build's folder
    items: Sequence[ItemRow]
    who: str  # the person's name
    now: Callable[[], datetime] = _utc_now
    verdicts: dict[str, ReviewRow] = field(init=False)  # the last word on each item, by its id
    cards: list[list[ItemRow]] = field(init=False)  # the items of each card

    def __post_init__(self) -> None:
        # A line that a kill cut short: nobody was told that it is saved.
        lines.mend(self.root / LOG)
        self.verdicts = read_log(self.root / LOG)
        cards: dict[tuple[str, str], list[ItemRow]] = {}
        for item in self.items:
            cards.setdefault((item.picture, item.question), []).append(item)
        self.cards = list(cards.values())

    def reviewed(self) -> list[ItemRow]:
        """All items with what was said of them so far."""
        return apply_verdicts(self.items, self.verdicts)

    def card(self, number: int) -> Card:
        rows = apply_verdicts(self.cards[number], self.verdicts)
        first = rows[0]
        # A spreadsheet may have said different things of the phrasings of one card.
        agree = len({row.verdict for row in rows}) == 1
        return {
            "card": number,
            "entity": first.entity,
            "question": first.question,
            "texts": [row.text for row in rows],
            "answer": first.answer,
            "made": self.cards[number][0].answer,
            "verdict": first.verdict if agree else "pending",
            "who": first.who,
            "when": first.when,
        }

    def say(self, request: ReviewRequest) -> list[Card]:
        """Keep it, on the disk, and return the cards that changed.

        Raises IndexError for a card that is not there.
        """
        numbers = self._cards_meant(request)
        when = self.now().isoformat(timespec="seconds")
        answer = request.answer if request.verdict == "edited" else ""
        rows = []
        for number in numbers:
            for item in self.cards[number]:
                rows.append(
                    ReviewRow(
                        id=item.id,
                        verdict=request.verdict,
                        answer=answer,
                        who=self.who,
                        when=when,
                    )
                )
        append_to_log(self.root / LOG, rows)
        for row in rows:
            self.verdicts[row.id] = row
        return [self.card(number) for number in numbers]

    def _cards_meant(self, request: ReviewRequest) -> list[int]:
        fact = self._fact(request.card)
        # An edited answer is that of the fact, whichever picture it was read on.
        if request.scope == "card" and request.verdict != "edited":
            return [request.card]
        return [number for number in range(len(self.cards)) if self._fact(number) == fact]

    def _fact(self, number: int) -> tuple[str, str]:
        first = self.cards[number][0]
        return first.entity, first.question
