"""What is looked at before a judge is relied on: can it judge at all, and what should its user know of it."""

from mlubench.judging.llm.judge import LLMJudge
from mlubench.judging.llm.tools import JudgeTools
from mlubench.judging.table import JUDGES
from mlubench.settings.run import Config


def check_judge(config: Config) -> list[str]:
    """What should be known of the run's judge, one line each.

    Raises UsageError for one that could judge nothing, before a run does any work.
    """
    _, model = JUDGES.row(config.judge)
    if not model:
        return []
    tools = JudgeTools(config.judging, config.device)
    judge: LLMJudge = JUDGES.resolve(config.judge)(config.judge, tools)
    judge.source.check()
    return judge.source.notices()
