"""A gate that reads: which names and aliases of what is to be forgotten stand in the question."""

from collections.abc import Sequence
from pathlib import Path

from mlubench.core.files import write_json
from mlubench.core.reading import read_json
from mlubench.lumoe.gates.base import Features, Gate, GateQuery
from mlubench.lumoe.gates.names import Hit, Names, known_aliases, names_of
from mlubench.lumoe.gates.saved import HINT, SavedNames
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Entity, Route, Task


class SavedMention(SavedNames):
    """The state of the gate."""

    similarity: float = GateConfig().similarity


class MentionGate(Gate):
    """Looks at the question alone; several names give several experts.

    Names of retain entities are known too, so that what is written like both goes to the better of the two.
    """

    name = "mention"

    def __init__(self) -> None:
        self.expert_of: dict[str, str] = {}  # by entity key
        self.names = Names({})
        self.similarity = 100.0  # of 100, how like a name a misspelt one must be

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        self.expert_of = {e.key: task.name for task in tasks for e in task.forget_entities}
        self.similarity = config.similarity
        entities: set[Entity] = set()
        for task in tasks:
            entities |= set(task.forget_entities)
            entities |= {sample.entity for sample in task.retain}
        aliases = known_aliases(config.aliases)
        self.names = Names({e.key: names_of(e, aliases) for e in sorted(entities)})

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
        return Route(experts, best.entity, best.score, ", ".join(reasons))

    def save(self, folder: Path) -> None:
        state = SavedMention(
            experts=self.expert_of, names=self.names.names, similarity=self.similarity
        )
        write_json(folder / "mention.json", state.model_dump())

    def load(self, folder: Path) -> None:
        state = read_json(folder / "mention.json", SavedMention, HINT)
        self.expert_of = state.experts
        self.similarity = state.similarity
        self.names = Names(state.names)
