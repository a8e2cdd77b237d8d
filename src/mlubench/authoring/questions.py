"""Stage 3: what is asked of each class, checked so that five phrasings are one question and give nothing away."""

from collections.abc import Iterator
from typing import Any

from mlubench.authoring import entities
from mlubench.authoring.folding import folded, refuse, runs, words
from mlubench.authoring.question_sets import ClassSet, digest_of, question_sets
from mlubench.authoring.rows import EntityRow, QuestionRow, read_rows, write_rows
from mlubench.authoring.stages import Context, Stage
from mlubench.data.records import IMAGE_MARKER, short

OUTPUT = "questions.jsonl"


def load_questions(ctx: Context, people: list[EntityRow]) -> list[QuestionRow]:
    """The rows of questions.jsonl as they are now, mended or not. Raises DataError that lists all that is wrong."""
    rows = read_rows(ctx.root / OUTPUT, QuestionRow)
    check_questions(rows, people, question_sets(ctx))
    return rows


def check_questions(
    rows: list[QuestionRow], people: list[EntityRow], sets: dict[str, ClassSet]
) -> None:
    """Raises DataError that lists every phrasing that is there twice, names an entity, or asks for something else.

    That two phrasings mean the same is no matter of words alone, so the check is modest: each must speak of its class's
    `subject` and hold one of the words that its question `asks` with. It finds a phrasing of another question, not a
    subtle shift; that is for the person who looks at the items.
    """
    problems = [*_twice(rows), *_naming(rows, people)]
    for row in rows:
        problems += [
            f"{_where(row)} {wrong}" for text in row.phrasings for wrong in _wrong(row, text, sets)
        ]
    refuse("wrong questions", problems, "Mend the questions' file; see docs/building.md.")


def _where(row: QuestionRow) -> str:
    return short(f"{row.cls}/{row.id}")


def _twice(rows: list[QuestionRow]) -> Iterator[str]:
    first: dict[tuple[str, str], str] = {}
    for row in rows:
        for text in row.phrasings:
            other = first.setdefault((row.cls, folded(text)), row.id)
            if other != row.id:
                yield f"{_where(row)} asks as {short(other)} does: {short(text)}"
        if len({folded(text) for text in row.phrasings}) < len(row.phrasings):
            yield f"{_where(row)} has a phrasing twice"


def _naming(rows: list[QuestionRow], people: list[EntityRow]) -> Iterator[str]:
    names: dict[str, dict[str, str]] = {}
    for one in people:
        names.setdefault(one.cls, {}).update(
            {folded(name): one.key for name in (one.name, *one.aliases)}
        )
    longest = {cls: max(len(name.split()) for name in found) for cls, found in names.items()}
    for row in rows:
        known = names.get(row.cls, {})
        for text in row.phrasings:
            if key := next(
                (known[run] for run in runs(text, longest.get(row.cls, 0)) if run in known), None
            ):
                yield f"{_where(row)} names {short(key)}: {short(text)}"


def _wrong(row: QuestionRow, text: str, sets: dict[str, ClassSet]) -> Iterator[str]:
    if not text.strip() or IMAGE_MARKER in text or "\n" in text:
        yield f"has a phrasing that is empty, of several lines, or holds {IMAGE_MARKER}: {short(text)}"
        return
    if (known := sets.get(row.cls)) is None:
        yield f"is of the unknown class {short(row.cls)}"
        return
    if not _holds(text, known.subject):
        yield f"says none of {', '.join(known.subject)}: {short(text)}"
    # A question that a person added to the file has no words of its own to be checked by.
    if (question := known.questions.get(row.id)) and not _holds(text, question.asks):
        yield f"asks with none of {', '.join(question.asks)}: {short(text)}"


def _holds(text: str, beginnings: list[str]) -> bool:
    spaced = " " + " ".join(words(text))
    return any(f" {folded(beginning)}" in spaced for beginning in beginnings)


def _rows(ctx: Context, people: list[EntityRow]) -> list[QuestionRow]:
    sets = question_sets(ctx)
    classes = sorted({one.cls for one in people})
    return [
        QuestionRow(id=id_, cls=cls, phrasings=question.phrasings)
        for cls in classes
        for id_, question in sets[cls].questions.items()
    ]


def _make(ctx: Context) -> None:
    people = entities.load_entities(ctx)
    rows = _rows(ctx, people)
    check_questions(rows, people, question_sets(ctx))
    write_rows(ctx.root / OUTPUT, rows)


def _settings(ctx: Context) -> Any:
    return {"sets": digest_of(question_sets(ctx))}


def _plan(ctx: Context) -> str:
    if not (ctx.root / entities.OUTPUT).is_file():
        return "write the question sets of the entities' classes"
    people = entities.load_entities(ctx)
    return (
        f"write {len(_rows(ctx, people))} questions of {len({one.cls for one in people})} classes"
    )


STAGE = Stage("questions", (OUTPUT,), ("entities",), _settings, _make, _plan)
