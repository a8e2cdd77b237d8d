"""Whether the pictures that the records name are there and can be decoded, whatever the files hold."""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlubench.core.spelling import path_below
from mlubench.data.pictures import UnusablePictureError, opened, try_decoding

_WORKERS = 4


def picture_problem(path: Path, *, whole: bool = True) -> str | None:
    """Why a picture cannot be used, or None. Not `whole`: only what its head tells, which takes no decoding."""
    try:
        if whole:
            try_decoding(path)
        else:
            with opened(path):
                pass
    except UnusablePictureError as error:
        return error.problem.what
    return None


def broken_pictures(
    root: Path, images: Sequence[str], *, whole: bool = True
) -> list[tuple[str, str]]:
    """(image, problem) of every picture below `root` that has one, in the order given: see `picture_problem`."""

    def problem_of(image: str) -> str | None:
        return picture_problem(path_below(root, image), whole=whole)

    with warnings.catch_warnings(), ThreadPoolExecutor(_WORKERS) as pool:
        # Pillow warns of big pictures and odd metadata; neither makes one unusable.
        warnings.simplefilter("ignore")
        problems = list(pool.map(problem_of, images))
    return [(image, problem) for image, problem in zip(images, problems, strict=True) if problem]
