"""Opens a run on disk: the one way to its settings, facts, answers, verdicts and results. No torch is loaded."""

from dataclasses import dataclass
from pathlib import Path

from mlubench.core.errors import MlubenchError
from mlubench.core.reading import read_json
from mlubench.runs.folder import AnswerFile, RunDir
from mlubench.runs.results import Results, RunFacts, read_results
from mlubench.runs.rows import read_answers, read_verdicts
from mlubench.runs.wholeness import require_whole
from mlubench.settings.run import Config
from mlubench.types import AnswerRow, VerdictRow

_OTHER_RUN = "Make it with `mlubench run`, or give another run."


@dataclass(frozen=True, slots=True)
class Run:
    """A run, finished or under way. Each call reads what lies in its folder now."""

    folder: RunDir
    config: Config

    @property
    def facts(self) -> RunFacts:
        """What the run was made with. MlubenchError before its base is there, when run.json is not yet written."""
        return read_json(self.folder.facts_file, RunFacts, _OTHER_RUN)

    @property
    def order(self) -> list[str]:
        """The tasks in the order in which they are unlearned."""
        tasks = self.facts.benchmark.tasks
        if not tasks:
            raise MlubenchError(f"{self.folder.facts_file} names no tasks", _OTHER_RUN)
        return tasks

    def archived(self, method: str) -> list[str]:
        """The tasks whose archive is whole, up to the first that is not."""
        return self.folder.archived(method, self.order)

    def answers(self, method: str, task: str, after: str) -> list[AnswerRow]:
        """The answers of one cell; none where it is not answered yet. MlubenchError where some are gone since."""
        path = self.folder.answers(method, task, after)
        require_whole(self.folder, AnswerFile(path, method, task, after))
        return read_answers(path)

    def verdicts(self, judge: str, method: str, task: str, after: str) -> list[VerdictRow]:
        """The verdicts on one cell; none where it is not judged yet."""
        return read_verdicts(self.folder.verdicts(judge, method, task, after))

    def results(self) -> Results:
        """MlubenchError where results.json is absent, broken or of another version."""
        return read_results(self.folder.results)


def open_run(folder: Path | str) -> Run:
    """Open the folder that `mlubench run --out` wrote. UsageError where it is no run, MlubenchError where it is broken.

    >>> run = open_run("runs/smoke")                                  # doctest: +SKIP
    >>> run.order, run.config.seed                                    # doctest: +SKIP
    (['A', 'B'], 0)
    """
    run_dir = RunDir(Path(folder))
    return Run(run_dir, run_dir.config())
