"""Judges one run again and again, in a fresh child for each line: for the test that kills them."""

import sys
from pathlib import Path

from mlubench.judging.llm.tools import JudgeTools
from mlubench.judging.run import judge_run
from mlubench.runs.folder import RunDir
from mlubench.settings.judging import JudgeConfig
from support.forking import fork_for_each_line


def judge(_: str) -> None:
    """The program's words are the run's folder and the judge."""
    folder, name = sys.argv[1:]
    judge_run(RunDir(Path(folder)), name, JudgeTools(JudgeConfig(parallel=4)))


if __name__ == "__main__":
    import openai  # noqa: F401 - so that no child has to

    fork_for_each_line(judge)
