"""ROUGE-L: how much of the truth an answer repeats in order, the field's measure that needs no judge."""

from rapidfuzz.distance import LCSseq

from mlubench.judging.rules.text import read


def rouge_l(response: str, truth: str) -> float:
    """F1 of the longest common subsequence of words (Lin, 2004), 0 to 1; 0 where either holds no words.

    Words are compared without case, accents and endings, as ROUGE's stemmer does. It sees neither a refusal nor a
    negation: "It is not Rome" is close to "It is Rome".
    """
    response_words = read(response).words
    truth_words = read(truth).words
    if not response_words or not truth_words:
        return 0.0
    common = LCSseq.similarity(response_words, truth_words)
    # The harmonic mean of precision, common / response words, and recall, common / truth words.
    return 2 * common / (len(response_words) + len(truth_words))
