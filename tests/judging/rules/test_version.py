"""The rules' version belongs to their verdicts: whoever changes one is told to raise it, who only reformats is not."""

from mlubench.core.files import digest
from mlubench.judging.labelled import labelled_answers, references_of
from mlubench.judging.rules.judge import VERSION, RulesJudge
from mlubench.types import Question
from support.judging_cases import FORGET, UTILITY

# What the rules of each version say, scores and reasons, of the answers below.
VERDICTS_OF = {1: "5b70b746c1db3f11", 2: "e07f17786c578262", 3: "c790fb68c87b55ad"}


def test_the_version_is_that_of_the_verdicts() -> None:
    assert RulesJudge().version == str(VERSION)
    assert VERDICTS_OF.get(VERSION) == digest_of_verdicts(), (
        "The rules give other verdicts than they gave in this version. "
        "If that is meant, raise VERSION in judging/rules/judge.py and add its digest here: "
        "runs judged by the older rules are then judged anew."
    )


def digest_of_verdicts() -> str:
    """One digest of all verdicts, by a judge without references and by one that has them."""
    questions = [answer.question for answer in labelled_answers()]
    references = references_of(labelled_answers())
    for metric, cases in (("utility", UTILITY), ("forget_quality", FORGET)):
        for subject, question, truth, response, _ in cases:
            questions.append(Question(metric, subject, question, truth, response))  # type: ignore[arg-type]
            references.append((subject.split("/")[0], truth))
    verdicts = []
    for judge in (RulesJudge(), RulesJudge(references)):
        for verdict in judge.judge(questions):
            verdicts.append([verdict.score, verdict.why])
    return digest(verdicts)
