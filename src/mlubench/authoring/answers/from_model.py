"""How a model is asked for an answer that no fact gives, and what of its replies is an answer."""

from dataclasses import dataclass
from pathlib import Path

from mlubench.authoring.answers.kept_replies import KeptReplies
from mlubench.authoring.rows import EntityRow, QuestionRow, TruthRow, UnansweredRow
from mlubench.authoring.spec import AnswersSpec
from mlubench.authoring.spelling import normalised
from mlubench.authoring.stage import Context, Prompt
from mlubench.core.errors import MlubenchError, UsageError
from mlubench.data.records import IMAGE_MARKER

_LONGEST = 600  # characters of a model's answer
_MOST_ERRORS = 10  # in a row: the endpoint is down, and asking on would only take time
_UNKNOWN = "UNKNOWN"
# A change of one letter here makes every kept reply worthless: they are kept by their prompts.
_PROMPT = """\
{shown}The subject is {name} ({cls}).{facts}
Question: {question}
Answer the question about {name} truly, in one plain sentence of at most 30 words. \
Do not mention the picture. \
If you are not sure of the answer, reply with the one word {unknown}."""


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question about an entity that no fact answers."""

    entity: EntityRow
    question: QuestionRow
    picture: Path  # the entity's first

    @property
    def id_(self) -> tuple[str, str]:
        return self.entity.key, self.question.id

    def prompt(self, settings: AnswersSpec) -> Prompt:
        text = _prompt_text(self.entity, self.question, with_picture=settings.picture)
        return Prompt(text, self.picture if settings.picture else None)


def ask_model(
    ctx: Context, questions: list[OpenQuestion], replies: KeptReplies
) -> list[TruthRow | UnansweredRow]:
    """The row of each question, in their order.

    Replies are kept as they come. Errors are not, so the next build asks those questions again.
    Raises MlubenchError if any is left without a reply, and UsageError if the spec's limit of calls
    would be passed.
    """
    settings = ctx.spec.answers
    prompts = [question.prompt(settings) for question in questions]
    with replies.open():
        errors = _ask_missing(ctx, questions, prompts, replies)
    texts = [replies.text(prompt) for prompt in prompts]
    missing = texts.count(None)
    if missing:
        why = errors[0].what if errors else "the endpoint stopped"
        raise MlubenchError(
            f"{missing} questions have no answer yet ({why})", "The same command asks them again."
        )
    return [
        _row_of_reply(question, text or "", settings.model)
        for question, text in zip(questions, texts, strict=True)
    ]


def _ask_missing(
    ctx: Context, questions: list[OpenQuestion], prompts: list[Prompt], replies: KeptReplies
) -> list[MlubenchError]:
    """Ask what has no reply yet, and return the errors that came instead of one."""
    waiting = [n for n, prompt in enumerate(prompts) if replies.text(prompt) is None]
    _check_limit(ctx.spec.answers, len(waiting))
    errors: list[MlubenchError] = []
    errors_in_a_row = 0
    done = len(prompts) - len(waiting)
    asked = ctx.tools.ask([prompts[n] for n in waiting])
    # Not strict: an endpoint may stop before the last question, which counts as no reply.
    for n, reply in zip(waiting, asked, strict=False):
        if isinstance(reply, MlubenchError):
            errors.append(reply)
            errors_in_a_row += 1
        else:
            errors_in_a_row = 0
            entity_key, question_id = questions[n].id_
            replies.add(prompts[n], entity_key, question_id, reply)
        if errors_in_a_row == _MOST_ERRORS:
            break
        done += 1
        ctx.progress("answers", done, len(prompts))
    return errors


def _check_limit(settings: AnswersSpec, calls: int) -> None:
    if calls > settings.limit:
        raise UsageError(
            f"{calls} questions are to be asked of {settings.model}, "
            f"more than answers.limit = {settings.limit}",
            "Raise the limit, or give more facts.",
        )


def _prompt_text(entity: EntityRow, question: QuestionRow, *, with_picture: bool) -> str:
    # The question's own fact is left out: where it is there, nobody is asked.
    other_facts = [fact for id_, fact in sorted(entity.facts.items()) if id_ != question.id]
    facts = ""
    if entity.wikipedia:
        facts += f" Its Wikipedia article is titled {entity.wikipedia!r}."
    if other_facts:
        facts += f" Known of it: {' '.join(other_facts)}"
    return _PROMPT.format(
        shown="The picture shows the subject. " if with_picture else "",
        name=entity.name,
        cls=entity.cls,
        facts=facts,
        question=question.phrasings[0],
        unknown=_UNKNOWN,
    )


def _row_of_reply(open_question: OpenQuestion, reply: str, model: str) -> TruthRow | UnansweredRow:
    entity, question = open_question.id_
    text = " ".join(reply.split())
    problem = _reply_problem(text)
    if problem:
        return UnansweredRow(entity=entity, question=question, why=problem)
    return TruthRow(entity=entity, question=question, answer=text, source=f"model:{model}")


def _reply_problem(reply: str) -> str | None:
    """What keeps a reply from being an answer. None: nothing."""
    if normalised(reply) == normalised(_UNKNOWN):
        return "the model does not know"
    if IMAGE_MARKER in reply:
        return f"the reply holds {IMAGE_MARKER}"
    if len(reply) > _LONGEST:
        return f"the reply has more than {_LONGEST} characters"
    return None
