"""Stage `questions`: what is asked of each class that has entities, in five phrasings each."""

from mlubench.authoring.questions.checks import check_questions
from mlubench.authoring.questions.sets import class_sets, sets_hash
from mlubench.authoring.rows import EntityRow, QuestionRow, read_rows, write_rows
from mlubench.authoring.stage import Context, Stage
from mlubench.authoring.stages import entities

OUTPUT = "questions.jsonl"


def load_questions(ctx: Context, entity_rows: list[EntityRow]) -> list[QuestionRow]:
    """The rows of questions.jsonl as they are now, mended or not.

    Raises DataError that lists all that is wrong.
    """
    rows = read_rows(ctx.root / OUTPUT, QuestionRow)
    check_questions(rows, entity_rows, class_sets(ctx))
    return rows


def _rows(ctx: Context, entity_rows: list[EntityRow]) -> list[QuestionRow]:
    sets = class_sets(ctx)
    rows = []
    for cls in _classes(entity_rows):
        for id_, question in sets[cls].questions.items():
            rows.append(QuestionRow(id=id_, cls=cls, phrasings=question.phrasings))
    return rows


def _classes(entity_rows: list[EntityRow]) -> list[str]:
    return sorted({row.cls for row in entity_rows})


def _make(ctx: Context) -> None:
    entity_rows = entities.load_entities(ctx)
    rows = _rows(ctx, entity_rows)
    check_questions(rows, entity_rows, class_sets(ctx))
    write_rows(ctx.root / OUTPUT, rows)


def _settings(ctx: Context) -> object:
    return {"sets": sets_hash(class_sets(ctx))}


def _plan(ctx: Context) -> str:
    if not (ctx.root / entities.OUTPUT).is_file():
        return "write the question sets of the entities' classes"
    entity_rows = entities.load_entities(ctx)
    count = len(_rows(ctx, entity_rows))
    return f"write {count} questions of {len(_classes(entity_rows))} classes"


STAGE = Stage(
    name="questions",
    outputs=(OUTPUT,),
    needs=("entities",),
    settings=_settings,
    make=_make,
    plan=_plan,
)
