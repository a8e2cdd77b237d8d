"""Stage `dataset`: the benchmark as parquet for `datasets.load_dataset`; a spec may skip it."""

from mlubench.authoring.output.parquet import write_parquet
from mlubench.authoring.rows import PictureRow, read_rows
from mlubench.authoring.spec import BuildSpec
from mlubench.authoring.stage import Context, Stage
from mlubench.authoring.stages import pictures
from mlubench.authoring.stages.release import load_placed_items, output_settings

OUTPUT = "dataset"


def _make(ctx: Context) -> None:
    rows = read_rows(ctx.root / pictures.OUTPUT, PictureRow)
    write_parquet(
        ctx.root,
        ctx.root / OUTPUT,
        load_placed_items(ctx),
        {row.file: row for row in rows},
        name=ctx.spec.name,
    )


def _plan(ctx: Context) -> str:
    return "writes parquet with the pictures inside"


def _wanted(spec: BuildSpec) -> bool:
    return spec.write.parquet


STAGE = Stage(
    name="dataset",
    outputs=(OUTPUT,),
    needs=("pictures", "review", "know", "split"),
    settings=output_settings,
    make=_make,
    plan=_plan,
    wanted=_wanted,
)
