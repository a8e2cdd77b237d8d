"""Judges a run over and over, each time in a fresh process forked from this one: for the test that kills them.

Imports once, then reads a line "go" for each judging and answers with the process id and, when it has ended, its code;
a line "seen" lets it go.
"""

import os
import sys
from pathlib import Path

from mlubench.judging.llm.tools import JudgeTools
from mlubench.judging.run import judge_run
from mlubench.runs.folder import RunDir
from mlubench.settings.judging import JudgeConfig


def main() -> None:
    root, judge = Path(sys.argv[1]), sys.argv[2]
    import openai  # noqa: F401 - so that no child has to

    print("ready", flush=True)
    while sys.stdin.readline():
        child = os.fork()
        if not child:
            os.dup2(2, 1)  # the bar is not for the test to read
            judge_run(RunDir(root), judge, JudgeTools(JudgeConfig(parallel=4)))
            os._exit(0)
        print(child, flush=True)
        ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        assert ended
        print(ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status, flush=True)
        # Its number is given to no other process before the test has sent its kill.
        sys.stdin.readline()
        os.waitpid(child, 0)


main()
