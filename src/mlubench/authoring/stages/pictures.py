"""Stage `pictures`: pictures of every entity, re-encoded, no two nearly alike."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mlubench.authoring.partial_rows import PartialRows
from mlubench.authoring.pictures.decoding import Decoder
from mlubench.authoring.pictures.sources import (
    Candidates,
    candidate_count,
    find_candidates,
    source_fingerprint,
)
from mlubench.authoring.pictures.taking import PictureTaker
from mlubench.authoring.problems import raise_problems
from mlubench.authoring.rows import EntityRow, PictureRow, read_rows, write_rows
from mlubench.authoring.stage import Context, Stage
from mlubench.authoring.stages import entities
from mlubench.core.errors import DataError
from mlubench.data.records import short

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


def _make(ctx: Context) -> None:
    candidates = find_candidates(ctx, entities.load_entities(ctx))
    earlier = read_rows(ctx.root / OUTPUT, PictureRow) if ctx.goes_on else []
    partial = PartialRows(ctx.root / OUTPUT, PictureRow, ctx.stamp, earlier)
    if not partial.rows:
        # Pictures that were made from other inputs.
        shutil.rmtree(ctx.root / FOLDER, ignore_errors=True)
    (ctx.root / FOLDER).mkdir(exist_ok=True)
    most = ctx.spec.pictures.per_entity
    total = candidate_count(candidates, most)
    rows = []
    with Decoder(ctx.spec.pictures) as decoder:
        for row in _take_all(candidates, most, partial, PictureTaker(ctx, decoder)):
            rows.append(row)
            # More than `total` may be tried, where some are not kept.
            ctx.progress("pictures", min(len(rows), total), total)
    partial.close()
    if not any(row.kept for row in rows):
        raise DataError(
            f"no picture could be used{_commonest_reasons(rows)}",
            _way_out(rows),
        )
    _check_none_vanished(candidates, rows)
    _remove_other_files(ctx.root, {row.file for row in rows if row.kept})
    write_rows(ctx.root / OUTPUT, rows)


def _take_all(
    candidates: Candidates, most: int, partial: PartialRows[PictureRow], taker: PictureTaker
) -> Iterator[PictureRow]:
    """Rows in the order of the candidates, of each entity until it has `most` pictures.

    What an earlier build could not get for a passing reason is asked for again.
    """
    settled: dict[str, list[PictureRow]] = {}
    for earlier in partial.rows.values():
        # Known before anything is taken: a picture that comes only now may repeat a later one.
        taker.remember(earlier)
        if earlier.kept:
            settled.setdefault(earlier.entity, []).append(earlier)
    for key, entity_candidates in candidates.items():
        kept: list[PictureRow] = []
        for number, candidate in enumerate(entity_candidates, 1):
            if len(kept) == most:
                break
            file = f"{FOLDER}/{key}/{number}.jpg"
            row = partial.rows.get((file,))
            if row is None or row.may_pass:
                others = settled.setdefault(key, [])
                row = taker.take(key, file, candidate, others)
                partial.add(row)
                taker.remember(row)
                if row.kept:
                    others.append(row)
            if row.kept:
                kept.append(row)
            yield row


def _check_none_vanished(candidates: Candidates, rows: list[PictureRow]) -> None:
    """Raises DataError that names the entities without a picture, which would silently be left out."""
    tried: dict[str, list[PictureRow]] = {key: [] for key in candidates}
    for row in rows:
        tried[row.entity].append(row)
    problems = []
    for key, of_entity in tried.items():
        if not any(row.kept for row in of_entity):
            problems.append(f"{short(key)}{_commonest_reasons(of_entity)}")
    raise_problems(
        f"{len(problems)} of {len(candidates)} entities have no picture", problems, _way_out(rows)
    )


def _way_out(rows: list[PictureRow]) -> str:
    if any(row.may_pass for row in rows):
        return "Run the same command again, later or with a pictures.contact: it asks only for what did not come."
    return "Mend the source of the pictures, or leave these entities out."


def _unfinished(ctx: Context) -> bool:
    return bool(_waiting(ctx))


def _waiting(ctx: Context) -> list[PictureRow]:
    """Pictures that did not come for a passing reason."""
    return [row for row in read_rows(ctx.root / OUTPUT, PictureRow) if row.may_pass]


def _commonest_reasons(rows: list[PictureRow]) -> str:
    reasons = Counter(row.why for row in rows).most_common(3)
    if not reasons:
        return ", since there is none"
    return ": " + "; ".join(f"{why} ({count})" for why, count in reasons)


def _remove_other_files(root: Path, files: set[str]) -> None:
    """Remove what a killed process left half written."""
    for path in (root / FOLDER).rglob("*"):
        if path.is_file() and path.relative_to(root).as_posix() not in files:
            path.unlink()


def _settings(ctx: Context) -> object:
    # How patiently and in whose name a server is asked makes no other picture.
    return {
        "spec": ctx.spec.pictures.model_dump(mode="json", exclude={"retries", "contact"}),
        "outside": source_fingerprint(ctx),
    }


def _plan(ctx: Context) -> str:
    most = ctx.spec.pictures.per_entity
    verb = _VERBS[ctx.spec.pictures.kind]
    if not (ctx.root / entities.OUTPUT).is_file():
        return f"{verb} up to {most} pictures of each entity"
    waiting = _waiting(ctx) if ctx.goes_on else []
    if waiting:
        return f"{verb} {len(waiting)} pictures that did not come"
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
    unfinished=_unfinished,
)
