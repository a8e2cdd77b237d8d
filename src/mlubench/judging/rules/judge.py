"""The judge that needs no model: written rules over overlap, numbers, refusals and gibberish."""

from collections.abc import Iterable

from mlubench.judging.rules.correctness import correctness
from mlubench.judging.rules.expected import ExpectedAnswers
from mlubench.judging.rules.rivals import Rivals
from mlubench.judging.rules.secrecy import secrecy
from mlubench.types import Question, Verdict

# Raise it with every change of a verdict: a run judged by older rules is then judged anew.
# tests/judging/rules/test_version.py holds a digest of what each version says.
VERSION = 3


class RulesJudge:
    """Scores answers by the rubric with written rules: no model, no network, the same on every machine.

    `references` are (class, truth) pairs of the whole benchmark. They only teach which words all answers of a class
    share ("the title of the movie is"), so that overlap counts what is specific to one truth.
    """

    name = "rules"

    def __init__(self, references: Iterable[tuple[str, str]] = ()) -> None:
        known = tuple(references)
        self._expected = ExpectedAnswers(known)
        self._rivals = Rivals(known)

    @property
    def version(self) -> str:
        """The version of the rules, by which a run never mixes verdicts of two."""
        return str(VERSION)

    def judge(self, questions: list[Question]) -> list[Verdict]:
        """One verdict for each question, in order; unscored where the truth holds no words to compare with."""
        return [self._verdict(question) for question in questions]

    def _verdict(self, question: Question) -> Verdict:
        if not question.response.strip():
            return Verdict(0, "empty")
        expected = self._expected.of(question)
        if question.metric == "forget_quality":
            return secrecy(expected, question.response)
        if not expected.truth.words:
            return Verdict(None, "the truth holds no words to compare with")
        return correctness(expected, question, self._rivals)
