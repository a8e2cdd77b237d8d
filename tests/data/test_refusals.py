"""Refusals must sound like refusals, fit any class, and be the same for the same key."""

import re
from collections import Counter

from mlubench.data.refusals import IN_WORDS, REFUSALS, refusal_for, refusal_of
from mlubench.types import Entity, Sample

CLASS_WORDS = (
    r"\b(animal|plant|planet|building|company|corporation|cartoon|film|movie|person|series)s?\b"
)


def test_there_are_enough_and_they_are_varied():
    assert len(REFUSALS) >= 24
    assert len(set(REFUSALS)) == len(REFUSALS)
    openings = Counter(" ".join(text.split()[:2]) for text in REFUSALS)
    assert len(openings) >= 18
    assert max(openings.values()) <= 4


def test_each_is_one_short_sentence_that_fits_any_class():
    for text in REFUSALS:
        assert 8 <= len(text.split()) <= 20, text
        assert text.endswith(".")
        assert not re.search(CLASS_WORDS, text, re.IGNORECASE), text


def test_none_holds_a_name():
    for text in REFUSALS:
        capitals = [word for word in text.split()[1:] if word[0].isupper()]
        assert all(word.split("'")[0] == "I" for word in capitals), text


def test_choice_depends_on_the_key_alone():
    # Pinned: a changed choice would change every refusal-trained model.
    assert refusal_for("Animals/Red_Fox/0").startswith("This is a question I can't answer")
    chosen = Counter(refusal_for(f"key {n}") for n in range(2000))
    assert set(chosen) == set(REFUSALS)
    assert max(chosen.values()) < 3 * min(chosen.values())


def sample(image: str, fact: str) -> Sample:
    ada = Entity("Person", "Ada")
    return Sample("id", "A", "forget", ada, image, "Who?", "Ada.", fact, 0, "fit")


def test_a_question_in_words_alone_is_refused_without_a_word_of_pictures():
    assert len(IN_WORDS) >= 8
    facts = [f"Person/Ada#{n}" for n in range(200)]
    assert {refusal_of(sample("", fact)) for fact in facts} == set(IN_WORDS)
    for fact in facts:
        assert refusal_of(sample("downloaded_images/Person/Ada/1.jpg", fact)) == refusal_for(fact)
