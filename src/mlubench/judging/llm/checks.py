"""What is looked at before a judge is relied on: can it judge at all, and what should its user know of it."""

from mlubench.judging.llm.tools import JudgeTools
from mlubench.judging.run import make_judge
from mlubench.judging.table import JUDGES
from mlubench.types import AskingJudge


def check_judge(name: str, tools: JudgeTools) -> list[str]:
    """What should be known of the judge of that name, one line each.

    Raises UsageError for one that could judge nothing, before a run does any work.
    """
    judge = make_judge(name, (), tools)
    if not isinstance(judge, AskingJudge):
        return []
    judge.check()
    return judge.notices()


def require_judge(name: str, tools: JudgeTools) -> None:
    """Raises UsageError for what the judge of that name lacks, as a key, without asking or writing anything."""
    require = JUDGES.requirement(name)
    _, asks_model = JUDGES.row(name)
    if require is not None:
        require(name, tools)
    elif not asks_model:
        make_judge(name, ())
