"""Stage 4: the true answer to each question about each entity, from its facts or from a model, and marked which."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlubench.authoring import entities, pictures, questions
from mlubench.authoring.folding import folded
from mlubench.authoring.question_sets import NAME, ClassSet, digest_of, question_sets
from mlubench.authoring.replies import Replies
from mlubench.authoring.rows import (
    AnswerRow,
    EntityRow,
    QuestionRow,
    Row,
    UnansweredRow,
    write_rows,
)
from mlubench.authoring.stages import Asked, Context, Stage
from mlubench.core.errors import DataError, MlubenchError, UsageError
from mlubench.data.records import IMAGE_MARKER

OUTPUT = "answers.jsonl"
UNANSWERED = "unanswered.jsonl"
_ENDS = (".", "!", "?", "。", "！", "？")
_LONGEST = 600  # characters of a model's answer
_GIVE_UP = 10  # errors in a row: the endpoint is down, and asking on would only take time
_UNKNOWN = "UNKNOWN"
_PROMPT = """\
{shown}The subject is {name} ({cls}).{facts}
Question: {question}
Answer the question about {name} truly, in one plain sentence of at most 30 words. Do not mention the picture. If you are \
not sure of the answer, reply with the one word {unknown}."""


@dataclass(frozen=True, slots=True)
class Open:
    """A question about an entity that no fact answers."""

    entity: EntityRow
    question: QuestionRow

    @property
    def id_(self) -> tuple[str, str]:
        return self.entity.key, self.question.id


@dataclass(frozen=True, slots=True)
class _Work:
    """Rows that facts answer, what they leave open, and each entity's first picture."""

    rows: dict[tuple[str, ...], AnswerRow]
    open: list[Open]
    pictures: dict[str, Path]


def _work(ctx: Context) -> _Work:
    people = entities.load_entities(ctx)
    sets = question_sets(ctx)
    shown: dict[str, Path] = {}
    for picture in pictures.load_pictures(ctx, people):
        shown.setdefault(picture.entity, ctx.root / picture.file)
    by_class: dict[str, list[QuestionRow]] = {}
    for question in questions.load_questions(ctx, people):
        by_class.setdefault(question.cls, []).append(question)
    work = _Work({}, [], shown)
    for one in people:
        if one.key not in shown:  # nothing can be asked about it, so no answer is needed
            continue
        for question in by_class.get(one.cls, []):
            row = _given(one, question, sets)
            if row:
                work.rows[row.id_] = row
            else:
                work.open.append(Open(one, question))
    return work


def _given(one: EntityRow, question: QuestionRow, sets: dict[str, ClassSet]) -> AnswerRow | None:
    """A fact that ends as a sentence does is taken verbatim; any other is put into the question's sentence."""
    stated = " ".join(one.facts.get(question.id, "").split())
    fact = stated or (one.name if question.id == NAME else "")
    known = sets[one.cls].questions.get(question.id)
    sentence = known.sentence if known else None
    if not fact:
        return None
    if sentence is None or stated.endswith(_ENDS):
        return AnswerRow(entity=one.key, question=question.id, answer=fact, source="given")
    if fact.endswith("."):  # a name such as "Smith Ltd."
        sentence = sentence.replace("{fact}.", "{fact}")
    return AnswerRow(
        entity=one.key,
        question=question.id,
        answer=sentence.replace("{fact}", fact),
        source="template",
    )


def _prompt(one: Open, picture: bool) -> str:
    known = " ".join(
        fact for id_, fact in sorted(one.entity.facts.items()) if id_ != one.question.id
    )
    title = (
        f" Its Wikipedia article is titled {one.entity.wikipedia!r}."
        if one.entity.wikipedia
        else ""
    )
    return _PROMPT.format(
        shown="The picture shows the subject. " if picture else "",
        name=one.entity.name,
        cls=one.entity.cls,
        facts=title + (f" Known of it: {known}" if known else ""),
        question=one.question.phrasings[0],
        unknown=_UNKNOWN,
    )


def _problem(reply: str) -> str | None:
    """What keeps a model's reply from being an answer. None: nothing."""
    if folded(reply) == folded(_UNKNOWN):
        return "the model does not know"
    if IMAGE_MARKER in reply:
        return f"the reply holds {IMAGE_MARKER}"
    return f"the reply has more than {_LONGEST} characters" if len(reply) > _LONGEST else None


def _row(one: Open, reply: str, model: str) -> AnswerRow | UnansweredRow:
    entity, question = one.id_
    text = " ".join(reply.split())
    if why := _problem(text):
        return UnansweredRow(entity=entity, question=question, why=why)
    return AnswerRow(entity=entity, question=question, answer=text, source=f"model:{model}")


def _ask(ctx: Context, work: _Work) -> dict[tuple[str, ...], AnswerRow | UnansweredRow]:
    """Every open question's row. Replies are kept as they come; errors are not, so the next build asks those again."""
    settings, ask = ctx.spec.answers, ctx.tools["ask"]
    replies = Replies(ctx, OUTPUT)
    replies.begin()
    asked = [_asked(one, ctx, work) for one in work.open]
    left = [n for n, one in enumerate(asked) if replies.text(one) is None]
    _check_limit(ctx, len(left))
    failed: list[MlubenchError] = []
    in_a_row = 0
    for done, (n, reply) in enumerate(
        zip(left, ask([asked[n] for n in left]), strict=False), len(asked) - len(left)
    ):
        if isinstance(reply, MlubenchError):
            failed.append(reply)
            in_a_row += 1
        else:
            in_a_row = 0
            replies.add(asked[n], *work.open[n].id_, reply)
        if in_a_row == _GIVE_UP:
            break
        ctx.progress("answers", done + 1, len(asked))
    replies.end()
    texts = [replies.text(one) for one in asked]
    if missing := texts.count(None):
        why = failed[0].what if failed else "the endpoint stopped"
        raise MlubenchError(
            f"{missing} questions have no answer yet ({why})", "The same command asks them again."
        )
    return {
        one.id_: _row(one, text or "", settings.model)
        for one, text in zip(work.open, texts, strict=True)
    }


def _asked(one: Open, ctx: Context, work: _Work) -> Asked:
    with_picture = ctx.spec.answers.picture
    return Asked(
        _prompt(one, with_picture), work.pictures[one.entity.key] if with_picture else None
    )


def _check_limit(ctx: Context, calls: int) -> None:
    settings = ctx.spec.answers
    if calls > settings.limit:
        raise UsageError(
            f"{calls} questions are to be asked of {settings.model}, more than answers.limit = {settings.limit}",
            "Raise the limit, or give more facts.",
        )


def _make(ctx: Context) -> None:
    work = _work(ctx)
    found: dict[tuple[str, ...], AnswerRow | UnansweredRow] = dict(work.rows)
    if ctx.spec.answers.kind == "model":
        found |= _ask(ctx, work)
    else:
        why = "no fact, and answers.kind is given"
        found |= {
            one.id_: UnansweredRow(entity=one.id_[0], question=one.id_[1], why=why)
            for one in work.open
        }
    answered = [row for row in found.values() if isinstance(row, AnswerRow)]
    if not answered:
        raise DataError(
            "no question has an answer", "Give facts, or ask a model with answers.kind."
        )
    write_rows(ctx.root / UNANSWERED, sorted(_unanswered(found), key=_by_id))
    write_rows(ctx.root / OUTPUT, sorted(answered, key=_by_id))


def _unanswered(found: dict[tuple[str, ...], AnswerRow | UnansweredRow]) -> Iterator[UnansweredRow]:
    return (row for row in found.values() if isinstance(row, UnansweredRow))


def _by_id(row: Row) -> tuple[str, ...]:
    return row.id_


def _settings(ctx: Context) -> Any:
    """How often and how long the endpoint is asked changes no answer, so it makes nothing anew."""
    settings, free = (
        ctx.spec.answers,
        {"timeout", "retries", "parallel", "limit", "price_in", "price_out", "max_cost"},
    )
    asked = settings.model_dump(mode="json", exclude=free) if settings.kind == "model" else None
    return {"kind": settings.kind, "asked": asked, "sets": digest_of(question_sets(ctx))}


def _plan(ctx: Context) -> str:
    settings = ctx.spec.answers
    if not all(
        (ctx.root / name).is_file() for name in (entities.OUTPUT, pictures.OUTPUT, questions.OUTPUT)
    ):
        return "answer from facts" + (
            f", and ask {settings.model} the rest" if settings.kind == "model" else ""
        )
    work = _work(ctx)
    said = f"answer {len(work.rows)} questions from facts"
    if settings.kind == "given":
        return f"{said}, leave {len(work.open)} unanswered"
    replies = Replies(ctx, OUTPUT)
    calls = sum(replies.text(_asked(one, ctx, work)) is None for one in work.open)
    most = calls * settings.max_tokens
    price = (
        f", which cost up to {most * settings.price_out / 1e6:.2f}" if settings.price_out else ""
    )
    return f"{said}, ask {settings.model} {calls}: up to {most} tokens of answers{price}; prompts come on top"


STAGE = Stage(
    "answers", (OUTPUT, UNANSWERED), ("entities", "pictures", "questions"), _settings, _make, _plan
)
