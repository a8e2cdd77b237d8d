"""Checks that the phrasings of a question differ, ask for the same thing and give no name away."""

from collections.abc import Iterator, Mapping, Sequence

from mlubench.authoring.problems import raise_problems
from mlubench.authoring.questions.sets import ClassSet
from mlubench.authoring.rows import EntityRow, QuestionRow
from mlubench.authoring.spelling import normalised, word_runs, words
from mlubench.data.records import IMAGE_MARKER, short


def check_questions(
    rows: list[QuestionRow], entities: list[EntityRow], sets: Mapping[str, ClassSet]
) -> None:
    """Raises DataError that lists every phrasing that is there twice, names an entity or strays.

    That two phrasings mean the same is no matter of words alone, so the check is modest: each must
    speak of its class's `subject` and hold one of the words that its question `asks` with. It finds
    a phrasing of another question, not a subtle shift; that is for the person who looks at the
    items.
    """
    problems = [*_repeated(rows), *_naming(rows, entities)]
    for row in rows:
        for text in row.phrasings:
            problems += [f"{_where(row)} {problem}" for problem in _strays(row, text, sets)]
    raise_problems("wrong questions", problems, "Mend the questions' file; see docs/building.md.")


def _where(row: QuestionRow) -> str:
    return short(f"{row.cls}/{row.id}")


def _repeated(rows: list[QuestionRow]) -> Iterator[str]:
    first_ids: dict[tuple[str, str], str] = {}  # (class, phrasing) -> the question that has it
    for row in rows:
        texts = [normalised(text) for text in row.phrasings]
        for text, spelt in zip(row.phrasings, texts, strict=True):
            first_id = first_ids.setdefault((row.cls, spelt), row.id)
            if first_id != row.id:
                yield f"{_where(row)} asks as {short(first_id)} does: {short(text)}"
        if len(set(texts)) < len(texts):
            yield f"{_where(row)} has a phrasing twice"


def _naming(rows: list[QuestionRow], entities: list[EntityRow]) -> Iterator[str]:
    """Phrasings that hold the name or an alias of an entity of their class."""
    keys = _keys_by_name(entities)
    for row in rows:
        class_keys = keys.get(row.cls, {})
        # No longer run of words than the longest name has to be looked up.
        longest = max((len(name.split()) for name in class_keys), default=0)
        for text in row.phrasings:
            named = [class_keys[run] for run in word_runs(text, longest) if run in class_keys]
            if named:
                yield f"{_where(row)} names {short(named[0])}: {short(text)}"


def _keys_by_name(entities: list[EntityRow]) -> dict[str, dict[str, str]]:
    """class -> name or alias in one spelling -> the entity's key."""
    keys: dict[str, dict[str, str]] = {}
    for entity in entities:
        class_keys = keys.setdefault(entity.cls, {})
        for name in (entity.name, *entity.aliases):
            class_keys[normalised(name)] = entity.key
    return keys


def _strays(row: QuestionRow, text: str, sets: Mapping[str, ClassSet]) -> Iterator[str]:
    if not text.strip() or IMAGE_MARKER in text or "\n" in text:
        yield (
            f"has a phrasing that is empty, of several lines, or holds {IMAGE_MARKER}: "
            f"{short(text)}"
        )
        return
    known = sets.get(row.cls)
    if known is None:
        yield f"is of the unknown class {short(row.cls)}"
        return
    if not _holds(text, known.subject):
        yield f"says none of {', '.join(known.subject)}: {short(text)}"
    # A question that a person added to questions.jsonl has no words of its own to be checked by.
    question = known.questions.get(row.id)
    if question is not None and not _holds(text, question.asks):
        yield f"asks with none of {', '.join(question.asks)}: {short(text)}"


def _holds(text: str, beginnings: Sequence[str]) -> bool:
    """Whether a word of the text, or several in a row, begin like one of `beginnings`."""
    spaced = " " + " ".join(words(text))
    return any(f" {normalised(beginning)}" in spaced for beginning in beginnings)
