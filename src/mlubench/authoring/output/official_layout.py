"""Writes a build in the official layout: annotation files, pictures by class and name."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from mlubench.authoring.output.placed_items import PlacedItems, all_items
from mlubench.authoring.rows import ItemRow
from mlubench.core.files import whole_dir, write_atomic
from mlubench.data import release
from mlubench.data.records import IMAGE_FOLDER

_PICTURES = "pictures"  # the build's own folder of pictures


def official_path(picture: str) -> str:
    """Where a picture of the build lies in the official layout."""
    return f"{IMAGE_FOLDER}/{picture.removeprefix(_PICTURES + '/')}"


def write_release(
    root: Path, out: Path, placed: PlacedItems, *, stand_ins: bool, facts: Mapping[str, object]
) -> None:
    """`out`/Tasks and `out`/downloaded_images, with a manifest of every file that holds `facts`.

    Drawn pictures are marked as stand-ins, so that no number from them passes for one from
    photographs. Raises DataError where a record cannot be written.
    """
    records: dict[str, dict[str, list[dict[str, str]]]] = {}
    for task, by_split in placed.items():
        records[task] = {}
        for split, items in by_split.items():
            records[task][split] = [_record(item) for item in items]
    with whole_dir(out, dict(facts)) as folder:
        # Before the pictures are copied: it refuses paths that would leave the folder.
        release.write(records, folder)
        for picture in sorted({item.picture for item in all_items(placed)}):
            target = folder / official_path(picture)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / picture, target)
        if stand_ins:
            write_atomic(folder / release.STAND_IN_MARK, json.dumps({"stand_ins": True}) + "\n")


def _record(item: ItemRow) -> dict[str, str]:
    return {"image": official_path(item.picture), "question": item.text, "answer": item.answer}
