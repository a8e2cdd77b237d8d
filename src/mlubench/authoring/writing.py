"""Writes a finished build: the official layout with its pictures, and parquet that `datasets.load_dataset` reads."""

import io
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mlubench.authoring.rows import ItemRow, PictureRow
from mlubench.authoring.split import Dealt
from mlubench.core.errors import UsageError
from mlubench.core.files import whole_dir, write_atomic
from mlubench.data import release
from mlubench.data.records import IMAGE_FOLDER
from mlubench.types import Split

Placed = dict[str, dict[Split, list[ItemRow]]]  # task -> split -> its items, in a fixed order
PICTURES = "pictures"  # the build's own folder of pictures
# What `datasets` has to be told of a column that parquet itself knows only as bytes and a path.
_FEATURES: dict[str, Any] = {
    "id": {"dtype": "string", "_type": "Value"},
    "image": {"_type": "Image"},
    "class": {"dtype": "string", "_type": "Value"},
    "entity": {"dtype": "string", "_type": "Value"},
    "question": {"dtype": "string", "_type": "Value"},
    "answer": {"dtype": "string", "_type": "Value"},
    "question_id": {"dtype": "string", "_type": "Value"},
    "phrasing": {"dtype": "int32", "_type": "Value"},
    "source": {"dtype": "string", "_type": "Value"},
    "licence": {"dtype": "string", "_type": "Value"},
}


def place(items: Iterable[ItemRow], dealt: Dealt) -> Placed:
    """The items of every task and split; those of entities that the split leaves out are left out."""
    where = {
        key: (task, split)
        for task, splits in dealt.items()
        for split, keys in splits.items()
        for key in keys
    }
    placed: Placed = {task: {"forget": [], "retain": []} for task in dealt}
    for item in sorted(items, key=lambda i: (i.entity, i.picture, i.question, i.phrasing)):
        if item.entity in where:
            task, split = where[item.entity]
            placed[task][split].append(item)
    return placed


def official(picture: str) -> str:
    """Where a picture of the build lies in the official layout."""
    return f"{IMAGE_FOLDER}/{picture.removeprefix(PICTURES + '/')}"


def write_release(
    root: Path, out: Path, placed: Placed, *, stand_ins: bool, facts: Mapping[str, Any]
) -> None:
    """`out`/Tasks and `out`/downloaded_images, with a manifest of every file. DataError where a record cannot be written.

    Drawn pictures are marked as stand-ins, so that no number from them passes for one from photographs.
    """
    records: dict[str, dict[str, list[dict[str, str]]]] = {
        task: {
            split: [
                {"image": official(i.picture), "question": i.text, "answer": i.answer}
                for i in items
            ]
            for split, items in splits.items()
        }
        for task, splits in placed.items()
    }
    with whole_dir(out, dict(facts)) as folder:
        release.write(records, folder)
        for picture in sorted({i.picture for items in _all(placed) for i in items}):
            target = folder / official(picture)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / picture, target)
        if stand_ins:
            write_atomic(folder / release.STAND_IN_MARK, json.dumps({"stand_ins": True}) + "\n")


def write_parquet(
    root: Path, out: Path, placed: Placed, pictures: Mapping[str, PictureRow], *, name: str
) -> None:
    """data/TASK/SPLIT.parquet in `out`, with the pictures inside, and a README.md that names each task as a configuration.

    `datasets.load_dataset(out, TASK, split="forget")` gives it back. Raises UsageError when pyarrow is missing.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError(
            "the pyarrow package is missing", "Run: pip install 'mlubench[build]'."
        ) from None
    meta = {"huggingface": json.dumps({"info": {"features": _FEATURES}})}
    plain = {"string": pyarrow.string(), "int32": pyarrow.int32()}
    image = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    kinds = {name: plain[f["dtype"]] if "dtype" in f else image for name, f in _FEATURES.items()}
    schema = pyarrow.schema(kinds, metadata=meta)
    with whole_dir(out, {"name": name}) as folder:
        for task, splits in placed.items():
            for split, items in splits.items():
                path = folder / "data" / task / f"{split}.parquet"
                path.parent.mkdir(parents=True, exist_ok=True)
                rows = [_row(root, item, pictures[item.picture]) for item in items]
                # Small groups: a picture stands in each of its rows, and readers take a group at a time.
                parquet.write_table(
                    pyarrow.Table.from_pylist(rows, schema), path, row_group_size=256
                )
        write_atomic(folder / "README.md", _card(name, list(placed)))


def _row(root: Path, item: ItemRow, picture: PictureRow) -> dict[str, Any]:
    cls, _, entity = item.entity.partition("/")
    return {
        "id": item.id,
        "image": {
            "bytes": (root / item.picture).read_bytes(),
            "path": Path(official(item.picture)).name,
        },
        "class": cls,
        "entity": entity,
        "question": item.text,
        "answer": item.answer,
        "question_id": item.question,
        "phrasing": item.phrasing,
        "source": picture.source,
        "licence": picture.licence,
    }


def _card(name: str, tasks: Sequence[str]) -> str:
    configs = [
        {
            "config_name": task,
            "data_files": [
                {"split": split, "path": f"data/{task}/{split}.parquet"} for split in release.SPLITS
            ],
        }
        for task in tasks
    ]
    out = io.StringIO()
    yaml.safe_dump(
        {"pretty_name": name, "configs": configs}, out, sort_keys=False, allow_unicode=True
    )
    return f"---\n{out.getvalue()}---\n\n# {name}\n\nEach task is a configuration with the splits forget and retain.\n"


def _all(placed: Placed) -> list[list[ItemRow]]:
    return [items for splits in placed.values() for items in splits.values()]
