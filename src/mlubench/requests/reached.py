"""How often a gate takes a picture for a request: its own held-out ones, those of what must stay, those of other things."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlubench.data.strangers import Strangers
from mlubench.experiment.strangers import open_strangers
from mlubench.lumoe.gates.base import GateQuery
from mlubench.requests.kept import KeptSet
from mlubench.requests.measured import Rate
from mlubench.requests.place import Place
from mlubench.requests.scoping import as_benchmark
from mlubench.statistics.intervals import wilson
from mlubench.types import Benchmark, Route, Sample, Task

Routing = Callable[[Sequence[GateQuery]], Sequence[Route]]


@dataclass(frozen=True)
class Reach:
    """What is asked about one request, and how."""

    place: Place
    kept: KeptSet
    task: Task
    # Where a query goes.
    routing: Routing
    # What a route names where the gate takes the query for the request: its task, or the expert that answers for it.
    expert: str

    def leak(self) -> Rate:
        """Held-out pictures of the request that are not taken for it."""
        return self._rate(self._held_out(self.task.forget), reached=False)

    def over_refusal(self) -> Rate:
        """Held-out pictures of what must stay that are taken for it."""
        return self._rate(self._held_out(self.task.retain))

    def strangers(self) -> Rate:
        """Pictures of other things that are taken for it."""
        found = Strangers()
        if self.kept.benchmark is not None and self.place.is_run:
            found = open_strangers(self.place.config.benchmark, self.kept.benchmark)
        return self._rate([GateQuery(one.picture, one.question) for one in found.found])

    def misses_in_words(self, questions: Sequence[str]) -> Rate:
        """Questions in words alone that are not taken for it."""
        return self._rate([GateQuery(None, question) for question in questions], reached=False)

    def _rate(self, queries: Sequence[GateQuery], *, reached: bool = True) -> Rate:
        """The share that is taken for the request, or that is not."""
        hits = [self.expert in route.experts for route in self.routing(queries)]
        count = hits.count(reached)
        value = round(count / len(hits), 6) if hits else None
        return Rate(value=value, ci95=wilson(count, len(hits)), n=len(hits))

    def _held_out(self, samples: Sequence[Sample]) -> list[GateQuery]:
        """Each picture that nothing has learned from once, with one question."""
        benchmark = self._benchmark()
        by_picture: dict[Path, str] = {}
        for sample in samples:
            picture = benchmark.picture(sample)
            if sample.tests and picture is not None:
                by_picture.setdefault(picture, sample.question)
        return [GateQuery(picture, question) for picture, question in by_picture.items()]

    def _benchmark(self) -> Benchmark:
        return as_benchmark(self.place, self.task.name, self.task, self.kept)
