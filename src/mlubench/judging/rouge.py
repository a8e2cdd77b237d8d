"""ROUGE-L: how much of the truth an answer repeats in order, the field's measure that needs no judge."""

from rapidfuzz.distance import LCSseq

from mlubench.judging.rules.text import read


def rouge_l(response: str, truth: str) -> float:
    """F1 of the longest common subsequence of words (Lin, 2004), 0 to 1; 0 where either holds no words.

    Words are compared without case, accents and endings, as ROUGE's stemmer does. It sees neither a refusal nor a negation:
    "It is not Rome" is close to "It is Rome".
    """
    said, true = read(response).words, read(truth).words
    if not said or not true:
        return 0.0
    return 2 * LCSseq.similarity(said, true) / (len(said) + len(true))
