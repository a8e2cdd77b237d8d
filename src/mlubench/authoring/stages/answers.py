"""Stage `answers`: the true answer to each question, from an entity's facts or from a model."""

from dataclasses import dataclass
from pathlib import Path

from mlubench.authoring.answers.from_facts import answer_from_facts
from mlubench.authoring.answers.from_model import OpenQuestion, ask_model
from mlubench.authoring.answers.kept_replies import KeptReplies
from mlubench.authoring.questions.sets import class_sets, sets_hash
from mlubench.authoring.rows import EntityRow, QuestionRow, Row, TruthRow, UnansweredRow, write_rows
from mlubench.authoring.stage import Context, Stage
from mlubench.authoring.stages import entities, pictures, questions
from mlubench.core.errors import DataError

OUTPUT = "answers.jsonl"
UNANSWERED = "unanswered.jsonl"

# How replies are read. Another number reads the kept ones anew, and asks nothing.
_READING = 2
# How often, how long and for what price the endpoint is asked changes no answer, so that a change
# of these settings makes nothing anew.
_WITHOUT_EFFECT = {
    "timeout",
    "retries",
    "parallel",
    "limit",
    "price_in",
    "price_out",
    "max_cost",
}


@dataclass(frozen=True, slots=True)
class _Truths:
    """What facts answer, and what they leave open."""

    answered: list[TruthRow]
    open: list[OpenQuestion]


def _truths_from_facts(ctx: Context) -> _Truths:
    entity_rows = entities.load_entities(ctx)
    sets = class_sets(ctx)
    first_pictures = _first_pictures(ctx, entity_rows)
    by_class: dict[str, list[QuestionRow]] = {}
    for question in questions.load_questions(ctx, entity_rows):
        by_class.setdefault(question.cls, []).append(question)
    truths = _Truths([], [])
    for entity in entity_rows:
        picture = first_pictures.get(entity.key)
        if picture is None:  # nothing can be asked about it, so no answer is needed
            continue
        for question in by_class.get(entity.cls, []):
            row = answer_from_facts(entity, question, sets)
            if row is None:
                truths.open.append(OpenQuestion(entity, question, picture))
            else:
                truths.answered.append(row)
    return truths


def _first_pictures(ctx: Context, entity_rows: list[EntityRow]) -> dict[str, Path]:
    """The first kept picture of each entity that has one, by key."""
    first: dict[str, Path] = {}
    for picture in pictures.load_pictures(ctx, entity_rows):
        first.setdefault(picture.entity, ctx.root / picture.file)
    return first


def _make(ctx: Context) -> None:
    truths = _truths_from_facts(ctx)
    rows: list[TruthRow | UnansweredRow] = [*truths.answered]
    if ctx.spec.answers.kind == "model":
        rows += ask_model(ctx, truths.open, KeptReplies(ctx, OUTPUT))
    else:
        why = "no fact, and answers.kind is given"
        for open_question in truths.open:
            entity, question = open_question.id_
            rows.append(UnansweredRow(entity=entity, question=question, why=why))
    answered = [row for row in rows if isinstance(row, TruthRow)]
    unanswered = [row for row in rows if isinstance(row, UnansweredRow)]
    if not answered:
        raise DataError(
            "no question has an answer", "Give facts, or ask a model with answers.kind."
        )
    write_rows(ctx.root / UNANSWERED, sorted(unanswered, key=_identity))
    write_rows(ctx.root / OUTPUT, sorted(answered, key=_identity))


def _identity(row: Row) -> tuple[str, ...]:
    return row.id_


def _settings(ctx: Context) -> object:
    settings = ctx.spec.answers
    asked = None
    if settings.kind == "model":
        asked = settings.model_dump(mode="json", exclude=_WITHOUT_EFFECT) | {"reading": _READING}
    return {"kind": settings.kind, "asked": asked, "sets": sets_hash(class_sets(ctx))}


def _plan(ctx: Context) -> str:
    settings = ctx.spec.answers
    inputs = (entities.OUTPUT, pictures.OUTPUT, questions.OUTPUT)
    if not all((ctx.root / name).is_file() for name in inputs):
        if settings.kind == "model":
            return f"answer from facts, and ask {settings.model} the rest"
        return "answer from facts"
    truths = _truths_from_facts(ctx)
    from_facts = f"answer {len(truths.answered)} questions from facts"
    if settings.kind == "given":
        return f"{from_facts}, leave {len(truths.open)} unanswered"
    replies = KeptReplies(ctx, OUTPUT)
    calls = sum(replies.text(question.prompt(settings)) is None for question in truths.open)
    most_tokens = calls * settings.max_tokens
    price = ""
    if settings.price_out:
        price = f", which cost up to {most_tokens * settings.price_out / 1e6:.2f}"
    return (
        f"{from_facts}, ask {settings.model} {calls}: "
        f"up to {most_tokens} tokens of answers{price}; prompts come on top"
    )


STAGE = Stage(
    name="answers",
    outputs=(OUTPUT, UNANSWERED),
    needs=("entities", "pictures", "questions"),
    settings=_settings,
    make=_make,
    plan=_plan,
)
