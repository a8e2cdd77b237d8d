"""Stage `dataset`: the benchmark as parquet, for `datasets.load_dataset`. A spec may leave it out."""

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
    "dataset",
    (OUTPUT,),
    ("pictures", "review", "know", "split"),
    output_settings,
    _make,
    _plan,
    _wanted,
)
