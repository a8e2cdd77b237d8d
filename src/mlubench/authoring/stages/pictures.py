"""Stage `pictures`: pictures of every entity, re-encoded, no two nearly alike."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mlubench.authoring.partial_rows import PartialRows
from mlubench.authoring.pictures.addresses import RefusedError
from mlubench.authoring.pictures.decoding import Decoder, UnreadableFileError, read_plain_file
from mlubench.authoring.pictures.fetching import fetch
from mlubench.authoring.pictures.sources import (
    Candidate,
    candidate_count,
    find_candidates,
    source_fingerprint,
)
from mlubench.authoring.pictures.worker import PictureReport, encoded
from mlubench.authoring.rows import EntityRow, PictureRow, read_rows, write_rows
from mlubench.authoring.stage import Context, Stage
from mlubench.authoring.stages import entities
from mlubench.core.errors import DataError
from mlubench.core.files import write_atomic
from mlubench.data.records import short
from mlubench.data.render import render

OUTPUT = "pictures.jsonl"
FOLDER = "pictures"
_VERBS = {"render": "draw", "folder": "decode", "addresses": "fetch"}


def load_pictures(ctx: Context, entity_rows: list[EntityRow]) -> list[PictureRow]:
    """The kept rows of pictures.jsonl as they are now, mended or not.

    Raises DataError for a row of no entity, or for a file that leaves the folder or is not there.
    """
    keys = {row.key for row in entity_rows}
    kept = [row for row in read_rows(ctx.root / OUTPUT, PictureRow) if row.kept]
    for row in kept:
        problem = _row_problem(ctx, row, keys)
        if problem:
            raise DataError(
                f"picture {short(row.file)} {problem}",
                f"Mend {OUTPUT}, or build with `--redo pictures`.",
            )
    return kept


def _row_problem(ctx: Context, row: PictureRow, keys: set[str]) -> str | None:
    path = ctx.root / row.file
    if row.entity not in keys:
        return f"is of {short(row.entity)}, no entity"
    if Path(row.file).parent != Path(FOLDER, row.entity):
        return f"does not lie in {FOLDER}/{row.entity}"
    if not path.is_file() or path.is_symlink():
        return "is not there as a plain file"
    return None


class _PictureTaker:
    """Takes candidates one after another, and remembers what was kept, to tell repeated ones."""

    def __init__(self, ctx: Context, decoder: Decoder) -> None:
        self._ctx = ctx
        self._decoder = decoder
        self._settings = ctx.spec.pictures
        self._owners: dict[str, str] = {}  # hash of a kept file -> its entity

    def remember(self, row: PictureRow) -> None:
        if row.kept:
            self._owners.setdefault(row.sha256, row.entity)

    def take(
        self, key: str, file: str, candidate: Candidate, kept: Sequence[PictureRow]
    ) -> PictureRow:
        """The candidate's row; where it is kept, its file is written.

        `kept` are the entity's pictures so far.
        """
        origin = {
            "entity": key,
            "file": file,
            "source": candidate.source,
            "licence": candidate.licence,
        }
        try:
            report, jpeg = self._picture(key, candidate)
        except (RefusedError, UnreadableFileError) as error:
            return PictureRow.model_validate({**origin, "kept": False, "why": str(error)})
        if not jpeg:
            return PictureRow.model_validate({**origin, **report, "kept": False})
        sha256 = hashlib.sha256(jpeg).hexdigest()
        row = PictureRow.model_validate({**origin, **report, "kept": True, "sha256": sha256})
        repeated = self._repeats(row, kept)
        if repeated:
            return row.model_copy(update={"kept": False, "why": repeated})
        write_atomic(self._ctx.root / file, jpeg)
        return row

    def _picture(self, key: str, candidate: Candidate) -> tuple[PictureReport, bytes]:
        origin = candidate.origin
        if self._settings.kind == "render":
            # Drawn here, so there is no stranger's file to decode in a process of its own.
            return encoded(render(key, str(origin), size=self._settings.size))
        if isinstance(origin, Path):
            data = read_plain_file(origin, self._settings.max_bytes)
        else:
            data = fetch(origin, self._settings)
        return self._decoder.decode(data)

    def _repeats(self, row: PictureRow, kept: Sequence[PictureRow]) -> str | None:
        """What it repeats, if anything: the same bytes anywhere, or one near it of its entity."""
        owner = self._owners.get(row.sha256)
        if owner:
            return "is there already" if owner == row.entity else f"is a picture of {owner} too"
        phash = int(row.phash, 16)
        for other in kept:
            differing_bits = (int(other.phash, 16) ^ phash).bit_count()
            if differing_bits <= self._settings.near:
                return f"is nearly {other.file}"
        return None


def _make(ctx: Context) -> None:
    candidates = find_candidates(ctx, entities.load_entities(ctx))
    partial = PartialRows(ctx.root / OUTPUT, PictureRow, ctx.stamp)
    if not partial.rows:
        # Pictures that were made from other inputs.
        shutil.rmtree(ctx.root / FOLDER, ignore_errors=True)
    (ctx.root / FOLDER).mkdir(exist_ok=True)
    most = ctx.spec.pictures.per_entity
    total = candidate_count(candidates, most)
    rows: list[PictureRow] = []
    with Decoder(ctx.spec.pictures) as decoder:
        taker = _PictureTaker(ctx, decoder)
        for key, entity_candidates in candidates.items():
            kept: list[PictureRow] = []
            for number, candidate in enumerate(entity_candidates, 1):
                if len(kept) == most:
                    break
                file = f"{FOLDER}/{key}/{number}.jpg"
                row = partial.rows.get((file,))
                if row is None:
                    row = taker.take(key, file, candidate, kept)
                    partial.add(row)
                taker.remember(row)
                if row.kept:
                    kept.append(row)
                rows.append(row)
                # More than `total` may be tried, where some are not kept.
                ctx.progress("pictures", min(len(rows), total), total)
    partial.close()
    if not any(row.kept for row in rows):
        raise DataError(
            f"no picture could be used{_commonest_reasons(rows)}",
            "Mend the source of the pictures.",
        )
    _remove_other_files(ctx.root, {row.file for row in rows if row.kept})
    write_rows(ctx.root / OUTPUT, rows)


def _commonest_reasons(rows: list[PictureRow]) -> str:
    reasons = Counter(row.why for row in rows).most_common(3)
    if not reasons:
        return ", since there is none"
    return ": " + "; ".join(f"{count} {why}" for why, count in reasons)


def _remove_other_files(root: Path, files: set[str]) -> None:
    """Remove what a killed process left half written."""
    for path in (root / FOLDER).rglob("*"):
        if path.is_file() and path.relative_to(root).as_posix() not in files:
            path.unlink()


def _settings(ctx: Context) -> object:
    return {
        "spec": ctx.spec.pictures.model_dump(mode="json"),
        "outside": source_fingerprint(ctx),
    }


def _plan(ctx: Context) -> str:
    most = ctx.spec.pictures.per_entity
    verb = _VERBS[ctx.spec.pictures.kind]
    if not (ctx.root / entities.OUTPUT).is_file():
        return f"{verb} up to {most} pictures of each entity"
    candidates = find_candidates(ctx, entities.load_entities(ctx))
    text = f"{verb} up to {candidate_count(candidates, most)} pictures"
    without = sum(not found for found in candidates.values())
    return f"{text}; {without} entities have none" if without else text


STAGE = Stage(
    name="pictures",
    outputs=(OUTPUT, FOLDER),
    needs=("entities",),
    settings=_settings,
    make=_make,
    plan=_plan,
)
