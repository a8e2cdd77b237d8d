"""Stage `items`: every kept picture with every phrasing of each answered question."""

import hashlib
from collections.abc import Iterable, Sequence

from mlubench.authoring.rows import (
    ItemRow,
    PictureRow,
    QuestionRow,
    TruthRow,
    read_rows,
    write_rows,
)
from mlubench.authoring.stage import Context, Stage
from mlubench.authoring.stages import answers, pictures, questions
from mlubench.core.errors import DataError

OUTPUT = "items.jsonl"


def make_items(
    picture_rows: Sequence[PictureRow],
    question_rows: Sequence[QuestionRow],
    truth_rows: Iterable[TruthRow],
) -> list[ItemRow]:
    """All items, in an order that does not depend on the order of the rows."""
    by_id = {(question.cls, question.id): question for question in question_rows}
    by_entity: dict[str, list[PictureRow]] = {}
    for picture in sorted(picture_rows, key=lambda p: p.file):
        if picture.kept:
            by_entity.setdefault(picture.entity, []).append(picture)
    items = []
    for truth in sorted(truth_rows, key=lambda t: t.id_):
        cls = truth.entity.split("/")[0]
        question = by_id[cls, truth.question]
        for picture in by_entity.get(truth.entity, []):
            for number, text in enumerate(question.phrasings):
                items.append(_item(picture, truth, number, text))
    return items


def _item(picture: PictureRow, truth: TruthRow, phrasing: int, text: str) -> ItemRow:
    # The id says what a person was shown. Whoever changes picture, question or answer makes
    # another item of it, which nobody has looked at yet.
    shown = "\0".join(
        (picture.sha256, truth.entity, truth.question, str(phrasing), text, truth.answer)
    )
    return ItemRow(
        id=hashlib.sha256(shown.encode()).hexdigest()[:16],
        picture=picture.file,
        entity=truth.entity,
        question=truth.question,
        phrasing=phrasing,
        text=text,
        answer=truth.answer,
    )


def _make(ctx: Context) -> None:
    items = make_items(
        read_rows(ctx.root / pictures.OUTPUT, PictureRow),
        read_rows(ctx.root / questions.OUTPUT, QuestionRow),
        read_rows(ctx.root / answers.OUTPUT, TruthRow),
    )
    if not items:
        raise DataError(
            "no entity has both a picture and an answer", "See pictures.jsonl and answers.jsonl."
        )
    write_rows(ctx.root / OUTPUT, items)


def _settings(ctx: Context) -> object:
    return None


def _plan(ctx: Context) -> str:
    return "every kept picture with every phrasing of each answered question"


STAGE = Stage(
    name="items",
    outputs=(OUTPUT,),
    needs=("pictures", "questions", "answers"),
    settings=_settings,
    make=_make,
    plan=_plan,
)
