"""Every (picture, question in one phrasing, answer) of a build, for a person to look at and for models to be asked."""

import hashlib
from collections.abc import Iterable, Sequence

from mlubench.authoring.rows import AnswerRow, ItemRow, PictureRow, QuestionRow


def make_items(
    pictures: Sequence[PictureRow], questions: Sequence[QuestionRow], answers: Iterable[AnswerRow]
) -> list[ItemRow]:
    """All kept pictures of an entity with all phrasings of each question that has an answer, in a fixed order."""
    asked = {(q.cls, q.id): q for q in questions}
    shown: dict[str, list[PictureRow]] = {}
    for picture in pictures:
        if picture.kept:
            shown.setdefault(picture.entity, []).append(picture)
    items = []
    for answer in sorted(answers, key=lambda a: a.id_):
        question = asked[answer.entity.split("/")[0], answer.question]
        for picture in sorted(shown.get(answer.entity, ()), key=lambda p: p.file):
            items += [
                _item(picture, answer, number, text)
                for number, text in enumerate(question.phrasings)
            ]
    return items


def _item(picture: PictureRow, answer: AnswerRow, phrasing: int, text: str) -> ItemRow:
    """Its id says what a person was shown: whoever changes picture, question or answer makes another item of it."""
    shown = "\0".join(
        (picture.sha256, answer.entity, answer.question, str(phrasing), text, answer.answer)
    )
    return ItemRow(
        id=hashlib.sha256(shown.encode()).hexdigest()[:16],
        picture=picture.file,
        entity=answer.entity,
        question=answer.question,
        phrasing=phrasing,
        text=text,
        answer=answer.answer,
    )
