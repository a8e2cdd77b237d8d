"""A gate that reads: which names and aliases of what is to be forgotten stand in the question."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlubench.core.files import write_json
from mlubench.core.reading import read_json
from mlubench.lumoe.gates.aliases import known_aliases, names_of
from mlubench.lumoe.gates.base import Features, Gate, GateQuery
from mlubench.lumoe.gates.extending import require_new
from mlubench.lumoe.gates.names import Hit, Names
from mlubench.lumoe.gates.saved import HINT, SavedNames
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route, Task


class SavedMention(SavedNames):
    """The state of the gate."""

    similarity: float = GateConfig().similarity
    # The tasks that it knows. Files of earlier versions lack them: such a gate is made anew for one task more.
    tasks: list[str] = []


class MentionGate(Gate):
    """Looks at the question alone; several names give several experts.

    Names of retain entities are known too, so that what is written like both goes to the better of the two.
    """

    name = "mention"

    def __init__(self) -> None:
        self.expert_of: dict[str, str] = {}  # by entity key
        self.names = Names({})
        self.similarity = 100.0  # of 100, how like a name a misspelt one must be
        # The tasks that the gate knows. Files of earlier versions do not say.
        self.tasks: list[str] = []

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        self.__init__()  # type: ignore[misc]
        self.similarity = config.similarity
        aliases = known_aliases(config.aliases)
        for task in tasks:
            self._take(task, aliases)

    def fit_next(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        if self.tasks and self.tasks == [task.name for task in tasks[:-1]]:
            self.similarity = config.similarity
            self._take(tasks[-1], known_aliases(config.aliases))
        else:
            self.fit(tasks, benchmark, features, config)

    def extend(
        self, task: Task, benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        require_new(task, self.expert_of)
        self.similarity = config.similarity
        self._take(task, known_aliases(config.aliases))

    def _take(self, task: Task, aliases: Mapping[str, Sequence[str]]) -> None:
        """Learn one task more."""
        for entity in sorted({sample.entity for sample in task.samples}):
            self.names.add(entity.key, names_of(entity, aliases))
        self.expert_of |= {entity.key: task.name for entity in task.forget_entities}
        self.tasks.append(task.name)

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        # Many queries ask the same question about different pictures.
        questions = dict.fromkeys(query.question for query in queries)
        routes = {question: self._route(self.hits(question)) for question in questions}
        return [routes[query.question] for query in queries]

    def hits(self, question: str) -> list[Hit]:
        """Names in the question of what is to be forgotten, in its order."""
        found = self.names.find(question, threshold=self.similarity)
        return [hit for hit in found if hit.entity in self.expert_of]

    def _route(self, hits: Sequence[Hit]) -> Route:
        if not hits:
            return Route((), None, 0.0, "no name in the question")
        experts = tuple(sorted({self.expert_of[hit.entity] for hit in hits}))
        best = max(hits, key=lambda hit: hit.score)
        reasons = []
        for hit in hits:
            likeness = f" ({hit.score:.2f})" if hit.score < 1 else ""
            reasons.append(f"{hit.text!r} is {hit.entity}{likeness}")
        others = dict.fromkeys(hit.entity for hit in hits if hit.entity != best.entity)
        why = ", ".join(reasons)
        return Route(experts, best.entity, best.score, why, suspects=tuple(others))

    def save(self, folder: Path) -> None:
        state = SavedMention(
            experts=self.expert_of,
            names=self.names.names,
            similarity=self.similarity,
            tasks=self.tasks,
        )
        write_json(folder / "mention.json", state.model_dump())

    def load(self, folder: Path) -> None:
        state = read_json(folder / "mention.json", SavedMention, HINT)
        self.expert_of = state.experts
        self.similarity = state.similarity
        self.names = Names(state.names)
        self.tasks = state.tasks
