"""Stage `release`: the benchmark in the official layout, with its pictures."""

from mlubench.authoring.output.official_layout import write_release
from mlubench.authoring.output.placed_items import PlacedItems, place_items
from mlubench.authoring.stage import Context, Stage
from mlubench.authoring.stages.know import kept_items
from mlubench.authoring.stages.split import entity_keys, load_splits

OUTPUT = "release"


def load_placed_items(ctx: Context) -> PlacedItems:
    """The kept items in the tasks and splits of tasks.yaml, mended or not."""
    items = kept_items(ctx.root)
    return place_items(items, load_splits(ctx, entity_keys(items)))


def output_settings(ctx: Context) -> object:
    """What all written forms of a benchmark depend on besides the files of earlier stages."""
    return {"name": ctx.spec.name, "seed": ctx.spec.seed, "pictures": ctx.spec.pictures.kind}


def _make(ctx: Context) -> None:
    write_release(
        ctx.root,
        ctx.root / OUTPUT,
        load_placed_items(ctx),
        stand_ins=ctx.spec.pictures.kind == "render",
        facts={"name": ctx.spec.name, "seed": ctx.spec.seed},
    )


def _plan(ctx: Context) -> str:
    return "writes the official layout and copies the pictures"


STAGE = Stage(
    name="release",
    outputs=(OUTPUT,),
    needs=("review", "know", "split"),
    settings=output_settings,
    make=_make,
    plan=_plan,
)
