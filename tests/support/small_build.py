"""A small build as its first stages leave it: drawn pictures, questions and answers, all files there."""

import hashlib
from pathlib import Path

from mlubench.authoring.rows import (
    EntityRow,
    ItemRow,
    PictureRow,
    QuestionRow,
    TruthRow,
    read_rows,
    write_rows,
)
from mlubench.authoring.spec import BuildSpec
from mlubench.authoring.stage import Context, Tools
from mlubench.authoring.stages.items import make_items
from mlubench.data.render import render

CLASSES = ("Animals", "Movies", "Personage")
QUESTIONS = ("home", "colour")


def small_context(
    root: Path,
    *,
    entities: int = 12,
    pictures: int = 3,
    tools: Tools | None = None,
    **settings: object,
) -> Context:
    """The files of the stages up to the answers, in `root`, and the context of the later ones."""
    keys = [f"{CLASSES[n % len(CLASSES)]}/Naïm_{n:02}" for n in range(entities)]
    spec = {"name": "small", "seed": 3, "entities": [{"name": "x", "class": "Animals"}], **settings}
    write_rows(
        root / "entities.jsonl",
        [EntityRow(key=key, cls=key.split("/")[0], name=key.split("/")[1]) for key in keys],
    )
    picture_rows = []
    question_rows = []
    truth_rows = []
    for cls in CLASSES:
        for question in QUESTIONS:
            texts = [f"What {question} does it have, asked the {n}th way?" for n in range(5)]
            question_rows.append(QuestionRow(id=question, cls=cls, phrasings=texts))
    for n, key in enumerate(keys):
        picture_rows += [_picture(root, key, number) for number in range(pictures)]
        for question in QUESTIONS:
            text = f"The {question} of {key.split('/')[1]} is {n}."
            truth_rows.append(TruthRow(entity=key, question=question, answer=text, source="given"))
    write_rows(root / "pictures.jsonl", picture_rows)
    write_rows(root / "questions.jsonl", question_rows)
    write_rows(root / "answers.jsonl", truth_rows)
    return Context(BuildSpec.model_validate(spec), root, root, tools or Tools())


def small_items(root: Path, *, entities: int = 2, pictures: int = 1) -> list[ItemRow]:
    """The items of a small build, whose files are then in `root`."""
    small_context(root, entities=entities, pictures=pictures)
    return make_items(
        read_rows(root / "pictures.jsonl", PictureRow),
        read_rows(root / "questions.jsonl", QuestionRow),
        read_rows(root / "answers.jsonl", TruthRow),
    )


def _picture(root: Path, key: str, number: int) -> PictureRow:
    path = root / "pictures" / key / f"{number:03}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    render(key, path.name, size=48).save(path)
    return PictureRow(
        entity=key,
        file=path.relative_to(root).as_posix(),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        width=48,
        height=48,
        source="drawn",
        licence="CC0-1.0",
        kept=True,
    )
