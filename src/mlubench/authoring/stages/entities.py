"""Stage `entities`: who or what the benchmark is about, checked so that no two can be confused."""

from mlubench.authoring.entities.checks import QuestionIds, check_entities, path_name
from mlubench.authoring.entities.sources import entity_entries
from mlubench.authoring.questions.sets import class_sets
from mlubench.authoring.rows import EntityRow, read_rows, write_rows
from mlubench.authoring.stage import Context, Stage
from mlubench.core.errors import UsageError
from mlubench.core.files import file_sha256
from mlubench.data.world import WORLD_VERSION

OUTPUT = "entities.jsonl"


def load_entities(ctx: Context) -> list[EntityRow]:
    """The rows of entities.jsonl as they are now, mended or not.

    Raises DataError that lists all that is wrong.
    """
    rows = read_rows(ctx.root / OUTPUT, EntityRow)
    check_entities(rows, _question_ids(ctx))
    return rows


def _question_ids(ctx: Context) -> QuestionIds:
    return {cls: set(known.questions) for cls, known in class_sets(ctx).items()}


def _make(ctx: Context) -> None:
    entries = entity_entries(ctx, class_sets(ctx))
    if not entries:
        raise UsageError("the entity list is empty", "Name at least one entity.")
    rows = []
    for entry in entries:
        key = f"{entry.cls}/{path_name(entry.name)}"
        rows.append(EntityRow(key=key, cls=entry.cls, **entry.model_dump(exclude={"cls"})))
    check_entities(rows, _question_ids(ctx))
    write_rows(ctx.root / OUTPUT, rows)


def _settings(ctx: Context) -> object:
    source = ctx.spec.entities
    file_hash = None
    if source.file and ctx.outside(source.file).is_file():
        file_hash = file_sha256(ctx.outside(source.file))
    return {
        "spec": source.model_dump(mode="json"),
        "file": file_hash,
        "world": [WORLD_VERSION, ctx.spec.seed] if source.world else None,
        "classes": {cls: sorted(ids) for cls, ids in _question_ids(ctx).items()},
    }


def _plan(ctx: Context) -> str:
    source = ctx.spec.entities
    if source.given is not None:
        return f"check {len(source.given)} entities of the spec"
    if source.file:
        return f"read {source.file}"
    return f"draw {source.world} entities of an invented world"


STAGE = Stage(
    name="entities",
    outputs=(OUTPUT,),
    needs=(),
    settings=_settings,
    make=_make,
    plan=_plan,
)
