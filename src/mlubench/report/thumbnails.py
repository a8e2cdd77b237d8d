"""Pictures of a run's samples as the page holds them: small, and within the page itself."""

import base64
import io
from pathlib import Path, PurePosixPath

from mlubench.core.spelling import path_below

_SIDE = 200  # pixels


def picture_or_why(image_root: Path | None, image: str) -> tuple[str, str]:
    """A thumbnail as a data URI, or why there is none. Only files below the run's picture folder are opened."""
    if not image:
        return "", "asked in words alone"
    if image_root is None:
        return "", "the run does not say where its pictures are"
    inside = PurePosixPath(image)
    if inside.is_absolute() or ".." in inside.parts:
        return "", f"not a path inside the picture folder: {image}"
    path = path_below(image_root, str(inside))
    # Only where there are pictures to draw: Pillow takes a while to load.
    from mlubench.data.pictures import UnusablePictureError

    try:
        return _thumbnail(path), ""
    except UnusablePictureError as error:
        return "", f"picture {image} {error.problem.what}"


def _thumbnail(path: Path) -> str:
    from mlubench.data.pictures import opened
    from mlubench.data.pixels import plain_rgb

    with opened(path) as picture:
        # Decode a large JPEG at a fraction of its size.
        picture.draft("RGB", (2 * _SIDE, 2 * _SIDE))
        image = plain_rgb(picture)
    image.thumbnail((_SIDE, _SIDE))
    # A photograph is smaller as JPEG, a drawing as PNG.
    encoded = []
    for kind, options in (("jpeg", {"quality": 82}), ("png", {"optimize": True})):
        buffer = io.BytesIO()
        image.save(buffer, format=kind, **options)
        encoded.append((len(buffer.getvalue()), kind, buffer.getvalue()))
    _, kind, data = min(encoded)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
