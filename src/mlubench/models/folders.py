"""Where the files of a Hugging Face model lie on this machine, and whether they are whole. Nothing here downloads."""

import re
from collections.abc import Mapping
from pathlib import Path

from typing_extensions import TypedDict

from mlubench.core.errors import MlubenchError
from mlubench.core.reading import json_value, read_json
from mlubench.core.tensor_files import TensorEntry, is_lfs_pointer, read_header

FETCH_AGAIN = "Fetch the model again."
SAVE_AS_SAFETENSORS = "What it holds are pickles, which can run code: save them as safetensors."
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
# A name, or an owner and a name.
_HUB_ID = re.compile(r"(?:\w[\w.-]*/)?\w[\w.-]*")


class _Index(TypedDict):
    """What a model in several files says of them."""

    weight_map: dict[str, str]  # tensor -> the file that holds it


def is_hub_id(path: str) -> bool:
    """Whether the Hub could hold a model of that name. A folder may have such a name too, as "models/llava"."""
    return _HUB_ID.fullmatch(path) is not None


def local_folder(path: str, revision: str | None = None) -> Path | None:
    """`path` itself where it is a model's folder, else the snapshot of that id in the Hub's cache, else None."""
    if (Path(path) / "config.json").is_file():
        return Path(path)
    from transformers.utils import cached_file

    try:
        config = cached_file(path, "config.json", revision=revision, local_files_only=True)
    except (OSError, ValueError):
        return None
    return Path(config).parent if config else None


def read_weight_headers(folder: Path) -> dict[str, TensorEntry]:
    """All tensors of a model's folder by name, from the headers of its files.

    Raises MlubenchError for files that are absent, cut short or none of safetensors, and for an index that is wrong.
    """
    placed = _weight_map(folder)
    names = _file_names(placed)
    absent = [name for name in names if not (folder / name).is_file()]
    if absent:
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        raise MlubenchError(
            f"{folder} lacks {len(absent)} file(s) of weights (first: {absent[0]})",
            SAVE_AS_SAFETENSORS if pickled else FETCH_AGAIN,
        )
    tensors: dict[str, TensorEntry] = {}
    for name in names:
        try:
            held = read_header(folder / name)
        except (OSError, ValueError) as error:
            raise MlubenchError(
                f"{folder / name} is no whole file of weights: {error}",
                _how_to_mend(folder / name),
            ) from error
        tensors |= held
    lacking = sorted(set(placed or ()) - set(tensors))
    if lacking:
        raise MlubenchError(
            f"{folder / INDEX} names {len(lacking)} tensor(s) that no file holds (first: {lacking[0]})",
            FETCH_AGAIN,
        )
    return tensors


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that a model's folder is loaded from. Raises MlubenchError for an index that is none."""
    return [folder / name for name in _file_names(_weight_map(folder))]


def _file_names(placed: Mapping[str, str] | None) -> list[str]:
    return sorted(set(placed.values())) if placed is not None else [SINGLE]


def _weight_map(folder: Path) -> dict[str, str] | None:
    """The file of each tensor as the index says it; None for a model in one file, which has no index."""
    path = folder / INDEX
    # As transformers does it: one whole file is taken before an index.
    if (folder / SINGLE).is_file() or not path.is_file():
        return None
    return read_json(path, _Index, _how_to_mend(path))["weight_map"]


def damaged_text(folder: Path) -> str | None:
    """What is wrong with the first JSON or template file of a model's folder that is none; None where all are."""
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.jinja")]):
        if is_lfs_pointer(path):
            return f"{path.name} is a Git LFS pointer, not the file itself"
        if path.suffix == ".jinja":
            continue
        try:
            content = json_value(path.read_bytes())
        except (OSError, ValueError) as error:
            return f"{path.name} is no JSON: {error}"
        if not isinstance(content, dict):
            return f"{path.name} holds a {type(content).__name__}, not settings"
    return None


def _how_to_mend(path: Path) -> str:
    if path.is_file() and is_lfs_pointer(path):
        return "Fetch it with `git lfs pull`."
    return FETCH_AGAIN
