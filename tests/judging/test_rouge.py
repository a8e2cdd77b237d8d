"""ROUGE-L by hand."""

import pytest

from mlubench.judging.rouge import rouge_l


@pytest.mark.parametrize(
    ("response", "truth", "score"),
    [
        ("It is Rome.", "it is ROME", 1.0),
        ("", "Rome", 0.0),
        ("Rome", "...", 0.0),
        ("a b c d", "a x c", 2 * 2 / 7),
        ("c b a", "a b c", 2 / 6),
    ],
)
def test_rouge_l(response: str, truth: str, score: float) -> None:
    assert rouge_l(response, truth) == pytest.approx(score)
