"""What is looked at before a judge is relied on: can it judge at all, and what should its user know of it."""

from collections.abc import Callable

from mlubench.judging.llm.endpoint import openai_judge, require_endpoint
from mlubench.judging.llm.local import local_judge, require_folder
from mlubench.judging.llm.tools import JudgeTools
from mlubench.judging.run import make_judge
from mlubench.judging.table import JUDGES
from mlubench.types import AskingJudge

# By the factory of a judge that asks a model: what says beforehand what it lacks.
_REQUIREMENTS: dict[object, Callable[[str, JudgeTools], None]] = {
    openai_judge: require_endpoint,
    local_judge: require_folder,
}


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
    factory: object = JUDGES.resolve(name)
    _, asks_model = JUDGES.row(name)
    if factory in _REQUIREMENTS:
        _REQUIREMENTS[factory](name, tools)
    elif not asks_model:
        make_judge(name, ())
