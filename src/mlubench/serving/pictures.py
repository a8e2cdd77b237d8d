"""Pictures in data URIs, as files for as long as a request lasts. No other address is ever looked at."""

import base64
import binascii
import re
from pathlib import Path

from mlubench.data.pictures import UnusablePictureError, open_picture
from mlubench.serving.failures import wrong
from mlubench.serving.limits import Limits

_DATA = re.compile(r"data:image/[\w.+-]+;base64,", re.IGNORECASE)


def save_picture(address: str, number: int, *, folder: Path, limits: Limits) -> Path:
    """The picture of an address, in a file that can be opened as one. Raises ApiError."""
    param = f"picture {number + 1}"
    found = _DATA.match(address)
    if found is None:
        raise wrong(
            f"{param}: addresses of pictures are not fetched. "
            "Send the picture itself: data:image/png;base64,...",
            "messages",
        )
    encoded = address[found.end() :]
    # Four letters of base64 are three bytes.
    if len(encoded) * 3 > limits.picture_bytes * 4:
        raise wrong(f"{param} has more than {limits.picture_bytes:,} bytes", "messages")
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise wrong(f"{param}: its base64 cannot be read", "messages") from None
    path = folder / str(number)
    path.write_bytes(content)
    try:
        open_picture(path)
    except UnusablePictureError as error:
        # The file's own path is nothing to the caller.
        raise wrong(f"{param} {error.problem.what}. {error.problem.do}", "messages") from None
    return path
