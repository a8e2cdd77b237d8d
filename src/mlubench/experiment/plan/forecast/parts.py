"""What is asked of a forecast, and what it holds. Bytes are of one card, seconds of one card that does nothing else."""

from dataclasses import dataclass

from mlubench.experiment.plan.forecast.cards import UTILISATION
from mlubench.experiment.plan.forecast.pictures import PictureSize
from mlubench.experiment.plan.forecast.texts import TextLengths

# Of a card's memory what no tensor gets: the driver, the libraries and what lies between tensors.
RESERVE = 10**9


@dataclass(frozen=True, slots=True)
class ForecastWish:
    """What a user says."""

    # A name of the table of cards.
    card: str
    # The share of the card's stated rates that is reached.
    utilisation: float = UTILISATION
    # None: the middle size of the benchmark's pictures where they are here.
    picture: PictureSize | None = None


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """The most bytes that live at once."""

    weights: int
    # In training: what is trained with its gradients and moments, and earlier experts. In answering: what is mounted.
    adapters: int
    # Kept features of pictures.
    features: int
    # In training: activations. In answering: the prompt's, and the cache of keys and values.
    batch: int
    # Of `batch`, what one row more adds.
    row: int

    @property
    def total(self) -> int:
        """With what no tensor gets."""
        return self.weights + self.adapters + self.features + self.batch + RESERVE


@dataclass(frozen=True, slots=True)
class MethodForecast:
    """What one method needs, and how long it takes. None stands for what cannot be said without annotations."""

    name: str
    # As the run is set, with gradient checkpointing or without.
    training: MemoryNeed
    checkpointing: bool
    # With it set the other way round; None where nobody asks.
    otherwise: MemoryNeed | None
    answering: MemoryNeed
    # Floating-point operations of an optimiser step.
    step_flops: int
    step_seconds: float
    # Of one answer in a batch that ends with about its longest.
    answer_seconds: float
    # Over all tasks and archives.
    training_seconds: float | None
    answering_seconds: float | None
    # If every answer goes on to `evaluate.max_new_tokens`, as those of a damaged model may.
    answering_seconds_most: float | None

    @property
    def checkpointed(self) -> MemoryNeed | None:
        """With gradient checkpointing."""
        return self.training if self.checkpointing else self.otherwise


@dataclass(frozen=True, slots=True)
class DiskNeed:
    """Bytes on disk."""

    # The base's files.
    weights: int
    # None where the tasks are not known.
    archives: int | None
    answers: int | None

    @property
    def total(self) -> int:
        return self.weights + (self.archives or 0) + (self.answers or 0)


@dataclass(frozen=True, slots=True)
class Remedy:
    """Settings with which a run fits that does not fit as it is."""

    # As they are given on the command line: key=value.
    settings: tuple[str, ...]
    training_bytes: int
    answering_bytes: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """All of it."""

    card: str
    card_bytes: float
    card_flops: float
    utilisation: float
    picture: PictureSize | None
    picture_source: str
    # That a picture becomes; 0 where none is shown.
    picture_tokens: int
    texts: TextLengths
    methods: list[MethodForecast]
    base_answering_seconds: float | None
    disk: DiskNeed
    # All methods and the base, one after another. None where the annotations are not here.
    seconds: float | None
    # Whether all methods fit as they are set.
    fits: bool
    # The first that makes it fit, for a run that does not; None where none does, or none is needed.
    remedy: Remedy | None
    # Cards of the table on which it fits as it is.
    fitting_cards: list[str]
