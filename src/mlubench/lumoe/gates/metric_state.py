"""What the gate `metric` keeps beside an expert: its tensors, and the rest in JSON, checked when it is read."""

from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mlubench.core.errors import MlubenchError
from mlubench.core.files import disk_errors, write_json
from mlubench.core.reading import read_json
from mlubench.lumoe.gates.forecasts import OwnPictures
from mlubench.lumoe.gates.growing_rows import GrowingRows
from mlubench.lumoe.gates.known import Known
from mlubench.lumoe.gates.learned import Learned
from mlubench.lumoe.gates.saved import HINT, EntityKey, SavedGate
from mlubench.lumoe.gates.standing import Standing
from mlubench.lumoe.gates.statement import Statement

FILE = "metric.json"
TENSORS = "metric.safetensors"


class SavedMetric(SavedGate):
    """The state of the gate, but for its tensors."""

    # Whether there was a background. If not, the files of a `prototype` gate lie beside it, and nothing else stands here.
    background: bool = True
    entities: list[EntityKey] = []
    experts: list[str] = []
    threshold: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    # From which score on the second look is told of an entity. None: no entity is suspect.
    suspicion: Annotated[float, Field(allow_inf_nan=False)] | None = None
    # `tower`, `drawn` or a folder, and the hash of its weights.
    encoder: str = "tower"
    encoder_id: str = ""
    # Whether parts of a picture are looked at too.
    parts: bool = False
    # Whether requests were learned in guises too.
    guises: bool = False
    stated: Statement = Statement()
    # The tasks that it knows, every entity of theirs, and the number of pictures of each request. Files of earlier
    # versions lack these: such a gate routes as it did, and is made anew for one task more.
    tasks: list[str] = []
    met: list[EntityKey] = []
    # What must stay, in the order of its rows. Files of earlier versions lack it: such a gate keeps what it keeps.
    kept: list[EntityKey] = []
    pictures: list[int] = []

    @model_validator(mode="after")
    def _one_expert_each(self) -> "SavedMetric":
        if len(self.experts) != len(self.entities):
            raise ValueError(f"{len(self.entities)} entities and {len(self.experts)} experts")
        if self.background and not self.entities:
            raise ValueError("nothing is to be forgotten")
        return self


def has_metric(folder: Path) -> bool:
    """Whether a gate of this kind was saved there."""
    return (folder / FILE).is_file()


def write_state(folder: Path, state: SavedMetric) -> None:
    write_json(folder / FILE, state.model_dump())


def read_state(folder: Path) -> SavedMetric:
    return read_json(folder / FILE, SavedMetric, HINT)


def write_known(folder: Path, known: Known) -> None:
    """Everything but the strangers themselves, which the cache keeps and only one task more needs."""
    tensors = {
        "mean": known.learned.mean,
        "directions": known.learned.directions,
        "gains": known.learned.gains,
        "things": known.learned.things,
        "forget": known.forget,
        "retain": known.retain,
        "strangers_to_request": known.strangers.to_request,
        "strangers_to_kept": known.strangers.to_kept,
        "pictures": known.own.standing.rows.all,
        "pictures_usual": known.own.standing.usual,
        "pictures_to_request": known.own.standing.to_request,
        "pictures_nearest": known.own.standing.nearest,
        "pictures_to_kept": known.own.standing.to_kept,
        "pictures_to_own": known.own.to_own,
    }
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with disk_errors(folder, SafetensorError):
        save_file(whole, folder / TENSORS)


def read_known(folder: Path, state: SavedMetric) -> Known:
    """Raises MlubenchError where the tensors are not those of the state."""
    tensors = load_file(folder / TENSORS)
    if len(tensors["forget"]) != len(state.entities):
        raise MlubenchError(f"{folder / TENSORS} holds other entities than {FILE}", HINT)
    none = torch.zeros(0)
    learned = Learned(
        mean=tensors["mean"],
        directions=tensors["directions"],
        gains=tensors["gains"],
        things=_in_all_guises(tensors["things"]),
        strangers=none,
        usual_of_strangers=none,
    )
    known = Known.nothing(learned)
    known.entities = state.entities
    known.experts = state.experts
    known.forget = _in_all_guises(tensors["forget"])
    known.retain = _in_all_guises(tensors["retain"])
    if state.tasks:
        known.tasks = state.tasks
        known.met = set(state.met)
        known.kept = state.kept
        known.strangers.to_request = tensors["strangers_to_request"]
        known.strangers.to_kept = tensors["strangers_to_kept"]
        known.own = OwnPictures(
            Standing(
                rows=GrowingRows(tensors["pictures"]),
                usual=tensors["pictures_usual"],
                to_request=tensors["pictures_to_request"],
                nearest=tensors["pictures_nearest"],
                to_kept=tensors["pictures_to_kept"],
            ),
            tensors["pictures_to_own"],
            state.pictures,
        )
    return known


def _in_all_guises(means: Tensor) -> Tensor:
    """(entities, 1 + guises, D). Files of earlier versions hold (entities, D): things as they are."""
    return means[:, None] if means.ndim == 2 else means
