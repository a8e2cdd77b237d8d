"""Makes the changed pictures that attacks show, each once."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from mlubench.core.files import digest
from mlubench.data.pictures import open_picture


class Studio:
    """A folder of changed pictures, by what was done to which."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def changed(self, change: str, make: Callable[..., Image.Image], *pictures: Path) -> Path:
        """The file of `make(*pictures)`, where each picture is opened. `change` names what is done to them."""
        name = digest([change, *map(str, pictures)], 32)
        path = self.folder / f"{name}.png"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            make(*map(open_picture, pictures)).save(path)
        return path
