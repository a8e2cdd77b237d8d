"""What a plan of a run foresees of a gate, by which the gate says how much it will save."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a gate will have learned from after a task. Counts are 0 where they are not known."""

    # How many numbers the base's features of a picture have, and the rows of the encoder that the gate looks with.
    features: int
    row: int
    # Other things that teach the metric. 0: there is no background.
    things: int = 0
    # Entities with pictures, to be forgotten or to stay, and pictures of those to be forgotten.
    entities: int = 0
    pictures: int = 0
    # Whether requests are learned in guises too.
    guises: bool = True
