"""A gate that reads: which names and aliases of what is to be forgotten stand in the question."""

from collections.abc import Sequence
from pathlib import Path

from mlubench.core.files import read_json, write_json
from mlubench.lumoe.gates.base import Features, Gate, GateQuery
from mlubench.lumoe.gates.names import Hit, Names, known_aliases, names_of
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route, Task


class MentionGate(Gate):
    """Looks at the question alone; several names give several experts.

    Names of retain entities are known too, so that what is written like both goes to the better of the two.
    """

    name = "mention"

    def __init__(self) -> None:
        self.expert_of: dict[str, str] = {}
        self.names = Names({})
        self.similarity = 100.0

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        self.expert_of = {e.key: task.name for task in tasks for e in task.forget_entities}
        aliases, self.similarity = known_aliases(config.aliases), config.similarity
        entities = {e for t in tasks for e in t.forget_entities} | {
            s.entity for t in tasks for s in t.retain
        }
        self.names = Names({e.key: names_of(e, aliases) for e in sorted(entities)})

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        found = {q: self.hits(q) for q in dict.fromkeys(q.question for q in queries)}
        return [self._route(found[q.question]) for q in queries]

    def hits(self, question: str) -> list[Hit]:
        """Names in the question of what is to be forgotten, in its order."""
        found = self.names.find(question, threshold=self.similarity)
        return [hit for hit in found if hit.entity in self.expert_of]

    def _route(self, hits: Sequence[Hit]) -> Route:
        if not hits:
            return Route((), None, 0.0, "no name in the question")
        experts = tuple(sorted({self.expert_of[h.entity] for h in hits}))
        best = max(hits, key=lambda h: h.score)
        why = ", ".join(
            f"{h.text!r} is {h.entity}" + (f" ({h.score:.2f})" if h.score < 1 else "") for h in hits
        )
        return Route(experts, best.entity, best.score, why)

    def save(self, folder: Path) -> None:
        facts = {
            "experts": self.expert_of,
            "names": self.names.names,
            "similarity": self.similarity,
        }
        write_json(folder / "mention.json", facts)

    def load(self, folder: Path) -> None:
        facts = read_json(folder / "mention.json")
        self.expert_of = facts["experts"]
        self.similarity = facts.get("similarity", GateConfig().similarity)
        self.names = Names(facts["names"])
