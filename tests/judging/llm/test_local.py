"""The judge `local`: which probabilities are a score, and that nothing is asked twice; what a run checks at its start."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mlubench.core.errors import UsageError
from mlubench.endpoint.completion import Answer
from mlubench.judging.llm.checks import check_judge
from mlubench.judging.llm.judge import LLMJudge
from mlubench.judging.llm.local import reply_of
from mlubench.judging.llm.tools import JudgeTools
from mlubench.judging.run import make_judge
from mlubench.models.rater import Rater
from mlubench.settings.judging import JudgeConfig
from mlubench.settings.loading import load
from mlubench.types import Question

CASES = [Question("utility", "A/B", "?", "x", f"answer {n}") for n in (0, 1, 2, 1, 0)]


@pytest.mark.parametrize(
    ("chances", "score"),
    [
        ((0.1, 0.2, 0.6), 2),
        ((0.02, 0.01, 0.0), 0),
        ((0.3, 0.3, 0.3), None),
        ((0.0, 0.4, 0.4), None),
        ((0.001, 0.002, 0.003), None),  # it would rather say something else
        ((0.0, 0.0, 0.0), None),
        ((math.nan, math.nan, math.nan), None),
    ],
)
def test_which_probabilities_are_a_score(chances: tuple[float, ...], score: int | None) -> None:
    reply = reply_of(chances)
    assert (f'"score": {score}}}' in reply.text) if isinstance(reply, Answer) else score is None


def test_the_tiny_base_as_a_judge(
    base_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its verdicts mean nothing; that there are some, and that they are kept, does."""
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path))
    rated: list[str] = []

    def rate(rater: Rater, texts: Sequence[str]) -> list[Any]:
        rated.extend(texts)
        return [(0.1, 0.1, 0.5) if "answer 1" in text else (0.5, 0.1, 0.1) for text in texts]

    tools = JudgeTools(JudgeConfig(batch=2), "cpu")
    judge = make_judge(f"local:{base_path}", [], tools)
    real = judge.judge(CASES)
    assert all(v.score in (0, 1, 2, None) for v in real)
    assert all("p(0)=" in v.why for v in real)
    monkeypatch.setattr(Rater, "rate", rate)
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "other"))
    for _ in range(2):
        verdicts = make_judge(f"local:{base_path}", [], tools).judge(CASES)
        assert [v.score for v in verdicts] == [0, 2, 0, 2, 0]
    assert len(rated) == 3  # each different answer once, and nothing the second time
    assert all("in double square brackets" in text and "JSON" not in text for text in rated)


def test_who_is_asked_is_known_by_the_weights(base_path: Path, tmp_path: Path) -> None:
    from shutil import copytree

    moved = copytree(base_path, tmp_path / "moved")
    judges = [make_judge(f"local:{folder}", [], JudgeTools()) for folder in (base_path, moved)]
    assert all(isinstance(j, LLMJudge) for j in judges)
    assert judges[0].version == judges[1].version  # type: ignore[attr-defined]


def test_a_run_checks_its_judge_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    config = load("smoke")
    assert check_judge(config.judge, JudgeTools(config.judging)) == []
    with pytest.raises(UsageError, match="OPENAI_API_KEY is not set"):
        check_judge("openai:m", JudgeTools(config.judging))
    with pytest.raises(UsageError, match="holds no model"):
        check_judge("local:nowhere", JudgeTools(config.judging))
    own = JudgeConfig(template=tmp_path / "absent.yaml")
    with pytest.raises(UsageError, match="does not exist"):
        check_judge("openai:m", JudgeTools(own))
