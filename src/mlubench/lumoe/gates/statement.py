"""What a gate states beforehand of its errors, and what it says of each request."""

from pydantic import Field

from mlubench.lumoe.gates.saved import EntityKey, SavedGate
from mlubench.statistics.intervals import wilson

# A request with fewer pictures, or with a worse forecast, is flagged. Eight or more are better still.
ENOUGH_PICTURES = 4
BAD_FORECAST = 0.1


class Forecast(SavedGate):
    """How many new pictures of a request the gate is likely to miss, by its own pictures, each left out in turn."""

    # The share that would not reach their expert; None where there is but one picture.
    leak: float | None
    # How many pictures it rests on.
    pictures: int
    # How many of these the background shows too.
    in_background: int = 0

    @property
    def problem(self) -> str:
        """What is wrong with the request, for people; "" where nothing is."""
        if self.in_background:
            return (
                f"{self.in_background} of its {self.pictures} pictures are in gates.background too, which must not show "
                "what is to be forgotten; take them out there"
            )
        if self.leak is not None and self.leak > BAD_FORECAST:
            return f"{self.leak:.0%} of its {self.pictures} pictures would be missed if the others alone were known"
        if self.pictures < ENOUGH_PICTURES:
            return f"it has {self.pictures} pictures; give eight or more"
        return ""


class Statement(SavedGate):
    """What a gate says of itself."""

    # The share of pictures of other things that reach an expert at most; None where nothing can be stated.
    strangers: float | None = None
    # What that rests on: which other things, how many, and how many pictures of them.
    background: str = ""
    background_things: int = 0
    background_pictures: int = 0
    # The share of new pictures of requests that is likely to be missed, over all of them, and from how many.
    leak: float | None = None
    pictures: int = 0
    # By the entity of the request.
    requests: dict[EntityKey, Forecast] = Field(default_factory=dict)

    @property
    def flagged(self) -> dict[str, str]:
        """The requests that something is wrong with, and what."""
        found = {key: forecast.problem for key, forecast in self.requests.items()}
        return {key: problem for key, problem in found.items() if problem}

    def in_words(self) -> str:
        """A sentence or two."""
        if self.strangers is None:
            about_strangers = "No share of refused strangers can be stated: there are no other things to learn from."
        else:
            about_strangers = (
                f"At most {self.strangers:.3g} of pictures of other things reach an expert, by {self.background_pictures} "
                f"pictures of {self.background_things} {self.background}."
            )
        if self.leak is None:
            return about_strangers
        most = (wilson(round(self.leak * self.pictures), self.pictures) or (0.0, 1.0))[1]
        return (
            f"{about_strangers} Of new pictures of what is to be forgotten, {self.leak:.3g} are likely to be missed (up to "
            f"{most:.2g}), by {self.pictures} pictures that were each left out."
        )


def together(forecasts: dict[str, Forecast]) -> tuple[float | None, int]:
    """The leak over the pictures of all requests, and how many pictures those are."""
    told = [forecast for forecast in forecasts.values() if forecast.leak is not None]
    pictures = sum(forecast.pictures for forecast in told)
    if not pictures:
        return None, 0
    missed = sum((forecast.leak or 0.0) * forecast.pictures for forecast in told)
    return missed / pictures, pictures
