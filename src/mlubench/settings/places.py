"""Paths in settings, kept absolute: a run is opened, asked and resumed from any working directory."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator


def absolute(path: Path) -> Path:
    """Without `..`, so that one place has one spelling; symbolic links keep their names."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` would follow the links


AbsolutePath = Annotated[Path, AfterValidator(absolute)]


def absolute_if_folder(name: str) -> str:
    """A model's folder as an absolute path; a hub's id, or a folder that is not there, as it is."""
    # Unlike `Path.is_dir` it raises for no name, however long.
    is_folder = os.path.isdir(name)  # noqa: PTH112
    return str(absolute(Path(name))) if is_folder else name


FolderOrId = Annotated[str, AfterValidator(absolute_if_folder)]
