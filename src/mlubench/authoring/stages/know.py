"""Stage `know`: which items every model of the spec answers rightly; the others are dropped."""

from pathlib import Path

from mlubench.authoring.review.verdicts import usable_items
from mlubench.authoring.rows import ItemRow, KnownRow, read_rows, write_rows
from mlubench.authoring.stage import Context, ItemScores, Stage
from mlubench.authoring.stages import review
from mlubench.core.errors import DataError
from mlubench.core.files import file_sha256

OUTPUT = "known.jsonl"
_RIGHT = 2  # the whole score of a judge


def kept_items(root: Path) -> list[ItemRow]:
    """The items that a benchmark is made of: none rejected, all known to every model."""
    kept = {row.id for row in read_rows(root / OUTPUT, KnownRow) if row.kept}
    return [item for item in read_rows(root / review.OUTPUT, ItemRow) if item.id in kept]


def _make(ctx: Context) -> None:
    items = usable_items(read_rows(ctx.root / review.OUTPUT, ItemRow), required=False)
    scores: list[ItemScores] = [{} for _ in items]
    if ctx.spec.know.models:
        scores = ctx.tools.score_knowledge(ctx, items)
    rows = [_row(item, found) for item, found in zip(items, scores, strict=True)]
    if not any(row.kept for row in rows):
        raise DataError(
            "no item is known to every model of the spec",
            "See known.jsonl's reasons, or change know.models.",
        )
    write_rows(ctx.root / OUTPUT, rows)


def _row(item: ItemRow, scores: ItemScores) -> KnownRow:
    wrong = []
    unscored = []
    for name, score in scores.items():
        if score is None:
            unscored.append(f"not judged for {name}")
        elif score < _RIGHT:
            wrong.append(f"not answered rightly by {name}")
    reasons = wrong + unscored
    return KnownRow.model_validate(
        {"id": item.id, "scores": scores, "kept": not reasons, "why": "; ".join(reasons)}
    )


def _settings(ctx: Context) -> object:
    return {**ctx.spec.know.model_dump(mode="json"), "weights": _weight_hashes(ctx)}


def _weight_hashes(ctx: Context) -> list[list[str]]:
    """What tells a model from another of the same name: its weight files, where they are here."""
    hashes = []
    for model in ctx.spec.know.models:
        if isinstance(model, str):
            files = ctx.outside(Path(model)).glob("*.safetensors")
            hashes.append(sorted(file_sha256(file) for file in files))
    return hashes


def _plan(ctx: Context) -> str:
    count = len(ctx.spec.know.models)
    if count == 0:
        return "keeps everything: no model is named"
    return f"asks {count} model{'' if count == 1 else 's'} every item"


STAGE = Stage(
    name="know",
    outputs=(OUTPUT,),
    needs=("review",),
    settings=_settings,
    make=_make,
    plan=_plan,
)
