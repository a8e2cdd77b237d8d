"""The strangers of the real benchmark: things of its background, some of which a base learns to decline."""

from pathlib import Path

from mlubench.core.files import digest
from mlubench.data.real.entities import open_shipped, read_background, shipped
from mlubench.data.real.views import SIZE, VIEWS_VERSION, ground_of, whole_view
from mlubench.types import Entity


def taught_strangers() -> list[Entity]:
    """What a base learns to decline: every second thing of the background. The others it never sees."""
    return list(read_background())[::2]


def unseen_strangers() -> list[Entity]:
    """Things of the background that no base is ever taught to decline, so that declining them can be measured."""
    return list(read_background())[1::2]


def stranger_facts() -> dict[str, object]:
    """All that the written pictures depend on."""
    return {
        "kind": "real",
        "views_version": VIEWS_VERSION,
        "entities": digest(shipped("entities.yaml").decode()),
        "attribution": digest(shipped("pictures/ATTRIBUTION.csv").decode()),
        "size": SIZE,
    }


def write_strangers(root: Path) -> None:
    """The whole picture of each thing that no base is taught, where `stranger_picture` looks for it."""
    for entity in unseen_strangers():
        path = stranger_picture(root, entity)
        path.parent.mkdir(parents=True, exist_ok=True)
        shown = open_shipped(f"{entity.key}/photo_1.webp")
        whole_view(shown, SIZE, ground_of(entity.cls)).save(path)


def stranger_picture(root: Path, entity: Entity) -> Path:
    """The file of the thing's picture below `root`."""
    return root / entity.cls / f"{entity.name}.png"
