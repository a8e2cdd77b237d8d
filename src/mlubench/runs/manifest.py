"""What the manifest of an archive says: of an adapter that a method trained, and of an expert, which may travel alone.

A manifest is hashed and written on as it stands, keys that this version does not know included. So it stays a dictionary.
"""

from collections.abc import Mapping
from typing import Annotated, NotRequired, Required

from pydantic import Field

# TypedDict from here, as pydantic cannot read the forms of typing's own before Python 3.12.
from typing_extensions import TypedDict

from mlubench.settings.gates import OnHit
from mlubench.settings.model import Quantization

# A cell's score as it is carried along for people to read; nothing is computed with it.
CarriedScore = Mapping[str, object]


class TrainingRecord(TypedDict):
    """What a training took, as `unlearning.trainer.TrainingFacts`."""

    seconds: float
    peak_memory_bytes: int | None  # None where the system does not tell
    steps: NotRequired[int]
    samples: NotRequired[int]
    first_loss: NotRequired[float]
    last_loss: NotRequired[float]
    trained_parameters: int
    trained: NotRequired[dict[str, int]]


class ManifestFacts(TypedDict, total=False):
    """Every key that this version reads or writes. A manifest of an older run lacks some."""

    task: str | None
    tasks: list[str]  # all that were unlearned when it was made, in order
    entities: list[str] | None
    method: str | None
    loss: str  # the row of the table of losses
    settings: dict[str, object] | None  # of the training
    seed: int
    train: TrainingRecord
    trainings: int  # how often it was trained, where that depends on how well it refuses
    refuses: float  # how well it refused (0-1) after the last of them
    base: str | None
    base_revision: str | None
    base_sha256: dict[str, str] | None  # by file
    base_plugins: list[str]  # modules that register the base's classes; only where it needs any
    base_quantization: Quantization  # only where it was trained on a base in fewer bits
    data_sha256: str | None
    modules: list[str] | None  # of the base, that it changes
    versions: dict[str, str] | None  # of the packages that wrote it
    gate: str | None  # which gate's state lies beside it
    gate_states: str  # what that gate says beforehand of its errors, where it says anything
    second_look: str  # its mode, where its state lies beside it too
    on_hit: OnHit  # who answers a query that hits a request; only where that is not its experts
    scores: list[CarriedScore] | None  # at birth
    requests: list[str]  # deletion requests that it was trained for, where it came from any
    # Of a merged expert alone.
    members: dict[str, int] | None  # what it was made of, with versions
    carries: list[str]  # the experts, as gates name them, that it stands for
    relative_error: float
    measured: bool | None  # whether it was measured before and after


class Manifest(ManifestFacts):
    """A manifest on disk, which names every other file of its folder."""

    files: Required[dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]]  # SHA-256 by name
