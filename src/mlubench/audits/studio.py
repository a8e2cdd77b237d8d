"""Makes the changed pictures that attacks show, each once."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from mlubench.core.files import digest, write_atomic
from mlubench.data.pictures import open_picture


class Studio:
    """A folder of changed pictures, by what was done to which.

    `disturb` puts noise into a picture against the gate. It takes long, so what it makes lies in `kept`, which outlives
    an audit. None where there is no gate that looks.
    """

    def __init__(
        self,
        folder: Path,
        kept: Path | None = None,
        disturb: Callable[[Image.Image], Image.Image] | None = None,
    ) -> None:
        self.folder = folder
        self.kept = kept
        self.disturb = disturb

    def changed(self, change: str, make: Callable[..., Image.Image], *pictures: Path) -> Path:
        """The file of `make(*pictures)`, where each picture is opened. `change` names what is done to them."""
        path = self.folder / _name(change, pictures)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            make(*map(open_picture, pictures)).save(path)
        return path

    def disturbed(self, picture: Path) -> Path | None:
        """The file of the picture with noise against the gate; None where nothing makes it."""
        if self.disturb is None or self.kept is None:
            return None
        path = self.kept / _name("disturbed", [picture])
        if not path.is_file():
            encoded = io.BytesIO()
            self.disturb(open_picture(picture)).save(encoded, "PNG")
            write_atomic(path, encoded.getvalue())
        return path


def _name(change: str, pictures: Sequence[Path]) -> str:
    return f"{digest([change, *map(str, pictures)], 32)}.png"
