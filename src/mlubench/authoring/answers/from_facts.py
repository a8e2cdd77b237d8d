"""The true answer to a question about an entity, made of the facts that are known of it."""

from collections.abc import Mapping

from mlubench.authoring.questions.sets import NAME, ClassSet
from mlubench.authoring.rows import EntityRow, QuestionRow, TruthRow

_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？")


def answer_from_facts(
    entity: EntityRow, question: QuestionRow, sets: Mapping[str, ClassSet]
) -> TruthRow | None:
    """The answer, or None where no fact answers the question.

    A fact that ends as a sentence does is taken verbatim; any other is put into the question's
    sentence. The entity's own name answers the question `name` if no fact does.
    """
    stated = " ".join(entity.facts.get(question.id, "").split())
    fact = stated
    if not fact and question.id == NAME:
        fact = entity.name
    if not fact:
        return None
    known = sets[entity.cls].questions.get(question.id)
    sentence = known.sentence if known else None
    # `stated`, not `fact`: a name such as "Smith Ltd." ends with a full stop and is no sentence.
    if sentence is None or stated.endswith(_SENTENCE_ENDS):
        return TruthRow(entity=entity.key, question=question.id, answer=fact, source="given")
    if fact.endswith("."):
        sentence = sentence.replace("{fact}.", "{fact}")
    answer = sentence.replace("{fact}", fact)
    return TruthRow(entity=entity.key, question=question.id, answer=answer, source="template")
