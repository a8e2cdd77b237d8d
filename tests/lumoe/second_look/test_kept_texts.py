"""Whether what must stay tells a fact: as comparing the fact with every text says."""

import random

from mlubench.lumoe.second_look.kept_texts import KeptTexts
from mlubench.lumoe.second_look.keys import tells_in_full

WORDS = [f"word{number}" for number in range(60)]


def test_it_says_what_comparing_with_every_text_says() -> None:
    rng = random.Random(0)
    texts = [frozenset(rng.sample(WORDS, 6)) for _ in range(300)]
    kept = KeptTexts()
    for text in texts:
        kept.add(text)
    answers = []
    for _ in range(300):
        words = rng.sample(WORDS, rng.randint(1, 4))
        weights = {word: 1 / len(words) for word in words}
        told = any(tells_in_full(text, weights) for text in texts)
        assert kept.tell(weights) == told
        answers.append(told)
    assert True in answers
    assert False in answers


def test_a_text_of_the_same_words_is_kept_once() -> None:
    kept = KeptTexts()
    assert kept.add(frozenset({"stand", "paris"}))
    assert not kept.add(frozenset({"paris", "stand"}))


def test_without_texts_nothing_is_told() -> None:
    assert not KeptTexts().tell({"paris": 1.0})
