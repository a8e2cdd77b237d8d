"""Writes a finished build as parquet with its pictures inside, for `datasets.load_dataset`."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mlubench.authoring.output.official_layout import official_path
from mlubench.authoring.output.placed_items import PlacedItems
from mlubench.authoring.rows import ItemRow, PictureRow
from mlubench.core.errors import UsageError
from mlubench.core.files import whole_dir, write_atomic
from mlubench.data import release

# The columns, as `datasets` describes them. It has to be told, since parquet itself knows a picture
# only as bytes and a path.
_STRING = {"dtype": "string", "_type": "Value"}
_IMAGE = {"_type": "Image"}
_FEATURES: dict[str, dict[str, str]] = {
    "id": _STRING,
    "image": _IMAGE,
    "class": _STRING,
    "entity": _STRING,
    "question": _STRING,
    "answer": _STRING,
    "question_id": _STRING,
    "phrasing": {"dtype": "int32", "_type": "Value"},
    "source": _STRING,
    "licence": _STRING,
}
# Small groups of rows: a picture stands in each of its rows, and readers take a group at a time.
_ROWS_A_GROUP = 256


def write_parquet(
    root: Path, out: Path, placed: PlacedItems, pictures: Mapping[str, PictureRow], *, name: str
) -> None:
    """data/TASK/SPLIT.parquet in `out`, and a README.md that names each task as a configuration.

    `datasets.load_dataset(out, TASK, split="forget")` gives it back. `pictures` are the rows by
    file. Raises UsageError when pyarrow is missing.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError(
            "the pyarrow package is missing", "Run: pip install 'mlubench[build]'."
        ) from None
    schema = _schema(pyarrow)
    with whole_dir(out, {"name": name}) as folder:
        for task, by_split in placed.items():
            for split, items in by_split.items():
                path = folder / "data" / task / f"{split}.parquet"
                path.parent.mkdir(parents=True, exist_ok=True)
                rows = [_row(root, item, pictures[item.picture]) for item in items]
                table = pyarrow.Table.from_pylist(rows, schema)
                parquet.write_table(table, path, row_group_size=_ROWS_A_GROUP)
        write_atomic(folder / "README.md", _readme(name, list(placed)))


def _schema(pyarrow: Any) -> Any:
    """The columns for pyarrow, with the description that `datasets` reads."""
    image = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    values = {"string": pyarrow.string(), "int32": pyarrow.int32()}
    types = {}
    for column, feature in _FEATURES.items():
        types[column] = values[feature["dtype"]] if "dtype" in feature else image
    described = json.dumps({"info": {"features": _FEATURES}})
    return pyarrow.schema(types, metadata={"huggingface": described})


def _row(root: Path, item: ItemRow, picture: PictureRow) -> dict[str, object]:
    cls, _, entity = item.entity.partition("/")
    image = {
        "bytes": (root / item.picture).read_bytes(),
        "path": Path(official_path(item.picture)).name,
    }
    return {
        "id": item.id,
        "image": image,
        "class": cls,
        "entity": entity,
        "question": item.text,
        "answer": item.answer,
        "question_id": item.question,
        "phrasing": item.phrasing,
        "source": picture.source,
        "licence": picture.licence,
    }


def _readme(name: str, tasks: Sequence[str]) -> str:
    configurations = []
    for task in tasks:
        files = [
            {"split": split, "path": f"data/{task}/{split}.parquet"} for split in release.SPLITS
        ]
        configurations.append({"config_name": task, "data_files": files})
    head = io.StringIO()
    yaml.safe_dump(
        {"pretty_name": name, "configs": configurations}, head, sort_keys=False, allow_unicode=True
    )
    return (
        f"---\n{head.getvalue()}---\n\n# {name}\n\n"
        "Each task is a configuration with the splits forget and retain.\n"
    )
