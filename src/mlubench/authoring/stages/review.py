"""Stage `review`: the items with what people said of them."""

from mlubench.authoring.build_record import output_hash
from mlubench.authoring.review.verdicts import LOG, apply_verdicts, read_log, usable_items
from mlubench.authoring.rows import ItemRow, read_rows, write_rows
from mlubench.authoring.stage import Context, Stage
from mlubench.authoring.stages import items

OUTPUT = "reviewed.jsonl"


def _make(ctx: Context) -> None:
    verdicts = read_log(ctx.root / LOG)
    reviewed = apply_verdicts(read_rows(ctx.root / items.OUTPUT, ItemRow), verdicts)
    # Raises where a review is required and items wait for one.
    usable_items(reviewed, required=ctx.spec.review.required)
    write_rows(ctx.root / OUTPUT, reviewed)


def _settings(ctx: Context) -> object:
    # The log is no output of a stage: people write it while no build runs.
    return {"required": ctx.spec.review.required, "said": output_hash(ctx.root / LOG)}


def _plan(ctx: Context) -> str:
    if ctx.spec.review.required:
        return "needs a person's word on every item"
    return "nobody has to look"


STAGE = Stage(
    name="review",
    outputs=(OUTPUT,),
    needs=("items",),
    settings=_settings,
    make=_make,
    plan=_plan,
)
