"""Stage 2: pictures of every entity, re-encoded, each with its source and licence, and no two nearly alike."""

import hashlib
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from mlubench.authoring.addresses import RefusedError
from mlubench.authoring.decoding import Decoder, read_plain_file
from mlubench.authoring.entities import OUTPUT as ENTITIES
from mlubench.authoring.entities import load_entities
from mlubench.authoring.fetching import fetch
from mlubench.authoring.parts import Parts
from mlubench.authoring.picture_sources import (
    Candidate,
    candidates,
    count,
    facts_of,
    without_pictures,
)
from mlubench.authoring.picture_worker import finished
from mlubench.authoring.rows import EntityRow, PictureRow, read_rows, write_rows
from mlubench.authoring.stages import Context, Stage
from mlubench.core.errors import DataError
from mlubench.core.files import write_atomic
from mlubench.data.records import short
from mlubench.data.render import render

OUTPUT = "pictures.jsonl"
FOLDER = "pictures"


def load_pictures(ctx: Context, people: list[EntityRow]) -> list[PictureRow]:
    """The kept rows of pictures.jsonl as they are now, mended or not.

    Raises DataError for a row of no entity, or for a file that leaves the folder or is not there.
    """
    known = {one.key for one in people}
    kept = [row for row in read_rows(ctx.root / OUTPUT, PictureRow) if row.kept]
    for row in kept:
        wrong = None
        if row.entity not in known:
            wrong = f"is of {short(row.entity)}, no entity"
        elif Path(row.file).parent != Path(FOLDER, row.entity):
            wrong = f"does not lie in {FOLDER}/{row.entity}"
        elif not (ctx.root / row.file).is_file() or (ctx.root / row.file).is_symlink():
            wrong = "is not there as a plain file"
        if wrong:
            raise DataError(
                f"picture {short(row.file)} {wrong}",
                f"Mend {OUTPUT}, or build with `--redo pictures`.",
            )
    return kept


class _Taker:
    """Takes candidates one after another, and remembers what was kept to tell what is there already."""

    def __init__(self, ctx: Context, decoder: Decoder) -> None:
        self._ctx, self._decoder = ctx, decoder
        self._limits = ctx.spec.pictures
        self._seen: dict[str, str] = {}  # hash of a kept file -> its entity

    def remember(self, row: PictureRow) -> None:
        if row.kept:
            self._seen.setdefault(row.sha256, row.entity)

    def take(self, key: str, file: str, candidate: Candidate, kept: list[PictureRow]) -> PictureRow:
        """The candidate's row; where it is kept, its file is written. `kept` are the entity's pictures so far."""
        told = {
            "entity": key,
            "file": file,
            "source": candidate.source,
            "licence": candidate.licence,
        }
        try:
            report, jpeg = self._picture(key, candidate)
        except RefusedError as error:
            report, jpeg = {"why": str(error)}, b""
        if not jpeg:
            return PictureRow.model_validate({**told, **report, "kept": False})
        row = PictureRow.model_validate(
            {**told, **report, "kept": True, "sha256": hashlib.sha256(jpeg).hexdigest()}
        )
        if why := self._again(row, kept):
            return row.model_copy(update={"kept": False, "why": why})
        write_atomic(self._ctx.root / file, jpeg)
        return row

    def _picture(self, key: str, candidate: Candidate) -> tuple[dict[str, Any], bytes]:
        origin, limits = candidate.origin, self._limits
        if limits.kind == "render":
            return finished(render(key, str(origin), size=limits.size))
        data = (
            read_plain_file(origin, limits.max_bytes)
            if isinstance(origin, Path)
            else fetch(origin, limits)
        )
        return ({"why": data}, b"") if isinstance(data, str) else self._decoder.plain(data)

    def _again(self, row: PictureRow, kept: list[PictureRow]) -> str | None:
        if owner := self._seen.get(row.sha256):
            return "is there already" if owner == row.entity else f"is a picture of {owner} too"
        mine = int(row.phash, 16)
        near = next(
            (k for k in kept if (int(k.phash, 16) ^ mine).bit_count() <= self._limits.near), None
        )
        return f"is nearly {near.file}" if near else None


def _make(ctx: Context) -> None:
    people = load_entities(ctx)
    found = candidates(ctx, people)
    parts = Parts(ctx.root / OUTPUT, PictureRow, ctx.stamp)
    if not parts.rows:
        shutil.rmtree(ctx.root / FOLDER, ignore_errors=True)
    (ctx.root / FOLDER).mkdir(exist_ok=True)
    most, total = ctx.spec.pictures.per_entity, count(found, ctx.spec.pictures.per_entity)
    rows: list[PictureRow] = []
    with Decoder(ctx.spec.pictures) as decoder:
        taker = _Taker(ctx, decoder)
        for key, mine in found.items():
            kept: list[PictureRow] = []
            for number, candidate in enumerate(mine, 1):
                if len(kept) == most:
                    break
                file = f"{FOLDER}/{key}/{number}.jpg"
                if (row := parts.rows.get((file,))) is None:
                    row = taker.take(key, file, candidate, kept)
                    parts.add(row)
                taker.remember(row)
                kept += [row] * row.kept
                rows.append(row)
                ctx.progress("pictures", min(len(rows), total), total)
    if not any(row.kept for row in rows):
        parts.end()
        raise DataError(
            f"no picture could be used{_reasons(rows)}", "Mend the source of the pictures."
        )
    _clear(ctx.root, {row.file for row in rows if row.kept})
    write_rows(ctx.root / OUTPUT, rows)
    parts.end()


def _reasons(rows: list[PictureRow]) -> str:
    often = Counter(row.why for row in rows).most_common(3)
    return (
        ": " + "; ".join(f"{times} {why}" for why, times in often)
        if often
        else ", since there is none"
    )


def _clear(root: Path, files: set[str]) -> None:
    """Remove what a killed process left half written."""
    for path in (root / FOLDER).rglob("*"):
        if path.is_file() and path.relative_to(root).as_posix() not in files:
            path.unlink()


def _settings(ctx: Context) -> Any:
    return {"spec": ctx.spec.pictures.model_dump(mode="json"), "outside": facts_of(ctx)}


def _plan(ctx: Context) -> str:
    kind, most = ctx.spec.pictures.kind, ctx.spec.pictures.per_entity
    verb = {"render": "draw", "folder": "decode", "addresses": "fetch"}[kind]
    if not (ctx.root / ENTITIES).is_file():
        return f"{verb} up to {most} pictures of each entity"
    found = candidates(ctx, load_entities(ctx))
    bare = sum(1 for _ in without_pictures(found))
    return f"{verb} up to {count(found, most)} pictures" + (
        f"; {bare} entities have none" if bare else ""
    )


STAGE = Stage("pictures", (OUTPUT, FOLDER), ("entities",), _settings, _make, _plan)
