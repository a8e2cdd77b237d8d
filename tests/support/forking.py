"""A process that imports once what some work needs, and forks a child for each piece of it: for tests that kill many."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping

import psutil

from support.paths import SUPPORT


def fork_for_each_line(work: Callable[[str], None]) -> None:
    """The process's own side: a child for each line of stdin, which is the work that it is to do.

    Says "ready", then for each line the child's process id and, when it has ended, its code. The test's next line says
    that it has seen the code: until then the child's number is given to no other process, which a late kill would hit.
    """
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os.dup2(2, 1)  # what it prints is not for the test to read
            work(line.rstrip("\n"))
            os._exit(0)
        print(child, flush=True)
        ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        assert ended
        print(ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status, flush=True)
        sys.stdin.readline()
        os.waitpid(child, 0)


def ended(child: int) -> bool:
    """Whether a process is over, while its parent still keeps its number."""
    return bool(psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


class Forks:
    """The test's side of a program in `tests/support` that ends in `fork_for_each_line`."""

    def __init__(self, program: str, *words: object, env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SUPPORT / program), *map(str, words)],
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._line() == "ready"

    def start(self, line: str = "") -> int:
        """The process id of a child that begins this work."""
        self._say(line)
        return int(self._line())

    def code(self) -> int:
        """The child's code when it has ended; negative is the signal that killed it."""
        code = int(self._line())
        self._say("seen")
        return code

    def end(self) -> int:
        """The program's own code."""
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.stdout
        self.process.stdout.close()
        return self.process.wait(timeout=120)

    def _say(self, line: str) -> None:
        print(line, file=self.process.stdin, flush=True)

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()
