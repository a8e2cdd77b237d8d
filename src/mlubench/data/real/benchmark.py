"""Writes the real benchmark as a release in the official layout, with views of its pictures."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlubench.core.files import digest, whole_dir, write_atomic
from mlubench.data import release
from mlubench.data.picture_kinds import PICTURES, PictureKind, picture_table
from mlubench.data.real.entities import (
    RealEntity,
    open_shipped,
    picture_names,
    read_entities,
    shipped,
)
from mlubench.data.real.views import SIZE, VIEWS_VERSION, draw_view, ground_of, whole_view
from mlubench.data.records import IMAGE_FOLDER
from mlubench.data.world import Record, Records

# Raise it whenever the same seed would give another release.
REAL_VERSION = "real-1"
JPEG_QUALITY = 92


def real_facts(seed: int, views: int) -> dict[str, object]:
    """Everything that the release depends on: equal facts mean equal files, so their hash can name its folder."""
    return {
        "kind": "real",
        "version": REAL_VERSION,
        "views_version": VIEWS_VERSION,
        "entities": digest(shipped("entities.yaml").decode()),
        "attribution": digest(shipped("pictures/ATTRIBUTION.csv").decode()),
        "seed": seed,
        "views": views,
        "size": SIZE,
    }


def write_real(
    seed: int,
    out: Path,
    *,
    views: int,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write annotations, pictures and their table to `out`, which appears whole or not at all.

    Each entity has `views` views of its own pictures, and the whole of each picture that is another author's.
    `seed` draws the views. `progress` is called with (entities done, total).
    """
    entities = read_entities()
    with whole_dir(out, real_facts(seed, views)) as root:
        write_annotations(root, views)
        for done, entity in enumerate(entities, start=1):
            for picture in _planned(entity, views):
                _draw(entity, picture, root, seed)
            if progress is not None:
                progress(done, len(entities))
        write_atomic(root / "ATTRIBUTION.csv", shipped("pictures/ATTRIBUTION.csv"))
    return out


def write_annotations(root: Path, views: int) -> None:
    """The records and the table of pictures, without the pictures."""
    records: Records = {}
    kinds: dict[str, tuple[PictureKind, str]] = {}
    for entity in read_entities():
        planned = _planned(entity, views)
        for picture in planned:
            kinds[picture.image] = (picture.kind, picture.source)
        by_split = records.setdefault(entity.task, {"forget": [], "retain": []})
        by_split[entity.split] += _records(entity, [picture.image for picture in planned])
    release.write(records, root)
    write_atomic(root / PICTURES, picture_table(kinds))


@dataclass(frozen=True, slots=True)
class _Planned:
    """A picture of the release: where it goes, and which shipped picture it is made from."""

    image: str
    kind: PictureKind
    source: str


def _planned(entity: RealEntity, views: int) -> list[_Planned]:
    folder = f"{IMAGE_FOLDER}/{entity.entity.key}"
    own = shipped_pictures(entity, "same-photo")
    planned = []
    for index in range(views):
        # In turn, so that each of several pictures is seen about as often.
        image = f"{folder}/view_{index + 1:02d}.jpg"
        planned.append(_Planned(image, "same-photo", own[index % len(own)]))
    for number, source in enumerate(shipped_pictures(entity, "other-photo"), start=1):
        planned.append(_Planned(f"{folder}/other_{number:02d}.jpg", "other-photo", source))
    return planned


def _draw(entity: RealEntity, picture: _Planned, root: Path, seed: int) -> None:
    shown = open_shipped(picture.source)
    ground = ground_of(entity.entity.cls)
    if picture.kind == "other-photo":
        view = whole_view(shown, SIZE, ground)
    else:
        rng = random.Random(f"{seed}/{picture.image}")
        view = draw_view(shown, SIZE, ground, rng, may_mirror=entity.logo is None)
    path = root / picture.image
    path.parent.mkdir(parents=True, exist_ok=True)
    view.save(path, quality=JPEG_QUALITY)


def shipped_pictures(entity: RealEntity, kind: PictureKind) -> list[str]:
    """Names of the entity's shipped pictures of one kind, as in ATTRIBUTION.csv and in its order."""
    start = f"{entity.entity.key}/{'other' if kind == 'other-photo' else 'photo'}_"
    return [file for file in picture_names() if file.startswith(start)]


def _records(entity: RealEntity, images: list[str]) -> list[Record]:
    """Every question of every fact about every picture."""
    records = []
    for fact in entity.facts:
        for question in fact.phrasings:
            for image in images:
                records.append({"image": image, "question": question, "answer": fact.answer})
    return records
