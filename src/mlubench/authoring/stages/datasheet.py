"""Stage `datasheet`: what the benchmark holds and whence, what was dropped, with figures."""

from pathlib import Path

from mlubench.authoring import splitting
from mlubench.authoring.output.datasheet import BuildSummary, datasheet_text
from mlubench.authoring.output.figures import write_figures
from mlubench.authoring.rows import (
    EntityRow,
    ItemRow,
    KnownRow,
    PictureRow,
    TruthRow,
    read_rows,
)
from mlubench.authoring.stage import Context, Stage
from mlubench.authoring.stages import (
    answers,
    dataset,
    entities,
    know,
    pictures,
    questions,
    release,
    review,
    split,
)
from mlubench.core.files import file_sha256, write_atomic

OUTPUT = "datasheet.md"
FIGURES = "figures"
_HASHED = (
    entities.OUTPUT,
    pictures.OUTPUT,
    questions.OUTPUT,
    answers.OUTPUT,
    review.OUTPUT,
    know.OUTPUT,
    split.OUTPUT,
)


def _make(ctx: Context) -> None:
    summary = _summary(ctx)
    write_figures(summary, ctx.root / FIGURES)
    write_atomic(ctx.root / OUTPUT, datasheet_text(summary))


def _summary(ctx: Context) -> BuildSummary:
    root = ctx.root
    items = know.kept_items(root)
    keys = split.entity_keys(items)
    splits = split.load_splits(ctx, keys)
    placed = release.load_placed_items(ctx)
    alike = split.entity_likeness(root, items, keys)
    return BuildSummary(
        name=ctx.spec.name,
        seed=ctx.spec.seed,
        split=ctx.spec.split.kind,
        entities=read_rows(root / entities.OUTPUT, EntityRow),
        pictures=read_rows(root / pictures.OUTPUT, PictureRow),
        truths=read_rows(root / answers.OUTPUT, TruthRow),
        reviewed=read_rows(root / review.OUTPUT, ItemRow),
        known=read_rows(root / know.OUTPUT, KnownRow),
        placed=placed,
        hardness=splitting.hardness(splits, keys, alike),
        hardness_by_chance=splitting.hardness_by_chance(splits, keys, alike, ctx.spec.seed),
        hashes=_hashes(root, with_dataset=ctx.spec.write.parquet),
    )


def _hashes(root: Path, *, with_dataset: bool) -> dict[str, str]:
    files = [root / name for name in _HASHED]
    files += sorted((root / release.OUTPUT).rglob("task*.json"))
    if with_dataset:
        files += sorted((root / dataset.OUTPUT).rglob("*.parquet"))
    return {file.relative_to(root).as_posix(): file_sha256(file) for file in files}


def _plan(ctx: Context) -> str:
    return "writes counts, sources, licences, drop rates, hashes and figures"


STAGE = Stage(
    name="datasheet",
    outputs=(OUTPUT, FIGURES),
    needs=("entities", "items", "review", "know", "split", "release", "dataset"),
    settings=release.output_settings,
    make=_make,
    plan=_plan,
)
