"""The rows of a running batch, each with its request and its experts."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from mlubench.lumoe.engine.mixing import WeightedExperts
from mlubench.lumoe.engine.requests import Job
from mlubench.models.running import Row, RunningBatch

if TYPE_CHECKING:
    from mlubench.lumoe.engine.lumoe import LUMoE


class LiveBatch:
    """Requests that are answered together, token by token, by the base and by any experts.

    The experts' matrices are put together once for as long as the rows stay the same.
    """

    def __init__(self, engine: "LUMoE") -> None:
        self.engine = engine
        self.batch = RunningBatch(engine.mllm)
        self.jobs: dict[Row, Job] = {}
        # Holds the experts of the rows on the base.
        self._answering: ExitStack | None = None

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def adapters(self) -> WeightedExperts:
        """What PEFT has to mount for these rows: all of them need the same."""
        job = next(iter(self.jobs.values()))
        return self.engine.mounted_by_peft(job.route)

    def start(self, jobs: Sequence[Job], *, ahead: int = 0) -> None:
        """Read the questions of one of the engine's `passes`, and give each its first token.

        `ahead` and errors are those of `RunningBatch.start`.
        """
        queries = [job.request.query for job in jobs]
        samplings = [self.engine.sampling(job.route, job.ticket.wanted.sampling) for job in jobs]
        limits = [job.ticket.wanted.max_new_tokens for job in jobs]
        with self.engine.answering([job.route for job in jobs]):
            self.batch.start(queries, samplings, limits, ahead=ahead)
        self.jobs = dict(zip(self.batch.rows, jobs, strict=True))

    def takes(self, other: "LiveBatch") -> bool:
        """Whether the rows of another batch can join."""
        if not (self.batch.joinable and other.batch.joinable):
            return False
        return self.adapters == other.adapters

    def join(self, other: "LiveBatch") -> None:
        """Take over the rows of another batch."""
        self.release()
        self.batch.join(other.batch)
        self.jobs |= other.jobs
        self._keep(self.batch.rows)

    def step(self) -> None:
        """One more token for every row."""
        if self._answering is None:
            routes = [self.jobs[row].route for row in self.batch.rows]
            self._answering = ExitStack()
            self._answering.enter_context(self.engine.answering(routes))
        self.batch.step()

    def leave(self, rows: Sequence[Row]) -> None:
        """Let rows go."""
        if not rows:
            return
        self.release()
        for row in rows:
            del self.jobs[row]
        self._keep([row for row in self.batch.rows if row in self.jobs])

    def release(self) -> None:
        """Take the experts off the base, so that somebody else can ask it."""
        if self._answering is not None:
            self._answering.close()
            self._answering = None

    def _keep(self, rows: Sequence[Row]) -> None:
        number = {row: place for place, row in enumerate(self.batch.rows)}
        order = self.engine.order([self.jobs[row].route for row in rows])
        self.batch.keep([number[rows[place]] for place in order])
