"""Asking a model in two steps where a query belongs: first the class, then which of the class's listed entities."""

import re
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

import yaml

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import read_json, read_yaml, write_json
from mlubench.lumoe.gates.base import Features, GateQuery
from mlubench.lumoe.gates.names import Names, known_aliases, names_of
from mlubench.lumoe.gates.spelling import fold
from mlubench.models.mllm import Query
from mlubench.settings.gates import AskedGateConfig
from mlubench.settings.run import GateConfig
from mlubench.types import Benchmark, Entity, Route, Task

Ask = Callable[
    [Sequence[Query]], list[str | MlubenchError]
]  # an error, not raised, for what could not be answered
STEPS = {"class": ("{question}", "{options}"), "entity": ("{question}", "{options}")}
_NO = re.compile(r"\b(?:no|not|none|neither|nor|unsure|unknown|isnt|cannot|cant|dont)\b")
_SLOT = re.compile(r"\{(question|options|class)\}")


def read_template(path: Path | None) -> dict[str, str]:
    """The wording of the two steps. Raises UsageError for a file that is absent or lacks a step or a place to fill in."""
    if path is None:
        text = (
            resources.files("mlubench.lumoe.gates")
            .joinpath("two_steps.yaml")
            .read_text(encoding="utf-8")
        )
        found: dict[str, str] = yaml.safe_load(text)
        return found
    found = read_yaml(
        path, "Give a YAML file with `class` and `entity`, or leave gates.mllm.template out."
    )
    for step, slots in STEPS.items():
        lack = [slot for slot in slots if slot not in str(found.get(step, ""))]
        if lack:
            raise UsageError(
                f"{path}: {step!r} lacks {', '.join(lack)}",
                "Write each where it is to be filled in.",
            )
    return {step: str(found[step]) for step in STEPS}


class TwoSteps:
    """The gate of whoever is asked: a subclass only says who, by setting `ask`.

    Two answers route a query: a class of what is to be forgotten, and a listed entity of it. Every other answer leaves the
    query to the base; no answer at all is a failure of the gate.
    """

    name = ""
    remote = True  # processes that share a run take the leader's routes, since replies may differ from one to the next
    ask: Ask

    def __init__(self) -> None:
        self.settings = AskedGateConfig()
        self.template: dict[str, str] = {}
        self._set({}, {})

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        aliases = known_aliases(config.aliases)
        experts = {e.key: task.name for task in tasks for e in task.forget_entities}
        self._set(experts, {key: names_of(Entity.from_key(key), aliases) for key in experts})

    def _set(self, experts: dict[str, str], names: dict[str, list[str]]) -> None:
        self.expert_of, self.names = experts, names
        self.listed: dict[str, list[Entity]] = {}
        for entity in sorted(map(Entity.from_key, experts)):
            self.listed.setdefault(entity.cls, []).append(entity)
        self._classes = Names(
            {c: dict.fromkeys([fold(c), fold(c).removesuffix("s")]) for c in self.listed}
        )
        self._entities = {
            c: Names({e.key: names[e.key] for e in es}) for c, es in self.listed.items()
        }

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        if not self.listed:
            return [Route((), None, 0.0, "nothing is to be forgotten")] * len(queries)
        kinds = self.ask([self._query(q, "class", list(self.listed)) for q in queries])
        meant = [self._kind(reply) for reply in kinds]
        second = [
            (n, self._query(query, "entity", [e.title for e in self.listed[kind]], kind))
            for n, (query, kind) in enumerate(zip(queries, meant, strict=True))
            if kind is not None
        ]
        replies = dict(zip([n for n, _ in second], self.ask([q for _, q in second]), strict=True))
        return [self._route(kinds[n], meant[n], replies.get(n)) for n in range(len(queries))]

    def _query(self, query: GateQuery, step: str, options: Sequence[str], kind: str = "") -> Query:
        filled = {
            "question": query.question,
            "options": "\n".join(f"- {o}" for o in options),
            "class": kind,
        }
        # In one pass, so that a question cannot fill in anything itself.
        return Query(
            query.image, _SLOT.sub(lambda slot: filled[slot[1]], self.template[step]).strip()
        )

    def _kind(self, reply: str | MlubenchError) -> str | None:
        found = said(self._classes, reply, self.settings.match) if isinstance(reply, str) else []
        return found[0][0] if len(found) == 1 else None

    def _route(
        self, first: str | MlubenchError, kind: str | None, second: str | MlubenchError | None
    ) -> Route:
        for reply in (first, second):
            if isinstance(reply, MlubenchError):
                return Route((), None, 0.0, f"the gate failed: {reply.what}", failed=True)
        if kind is None:
            return Route(
                (), None, 0.0, f"class: said {_quoted(first)}, which is none that is listed"
            )
        found = said(self._entities[kind], str(second), self.settings.match)
        if not found:
            return Route(
                (),
                None,
                0.0,
                f"class: {kind}; entity: said {_quoted(second)}, which is none that is listed",
            )
        experts = tuple(sorted({self.expert_of[key] for key, _ in found}))
        return Route(
            experts, found[0][0], found[0][1], f"class: {kind}; entity: said {_quoted(second)}"
        )

    def save(self, folder: Path) -> None:
        write_json(folder / f"{self.name}.json", {"experts": self.expert_of, "names": self.names})

    def load(self, folder: Path) -> None:
        facts = read_json(folder / f"{self.name}.json")
        self._set(facts["experts"], facts["names"])


def said(names: Names, reply: str, threshold: float) -> list[tuple[str, float]]:
    """Whom a reply names, with how like (0 to 1): as a whole, or in a sentence that denies nothing, spelt right."""
    whole = names.meant(reply, threshold=threshold)
    if whole is not None:
        return [(whole.entity, whole.score)]
    if _NO.search(fold(reply)):
        return []
    return list(
        {hit.entity: (hit.entity, hit.score) for hit in names.find(reply, threshold=100)}.values()
    )


def _quoted(reply: object) -> str:
    """The reply's beginning, on one line."""
    text = " ".join(str(reply).split())
    return repr(text if len(text) <= 60 else text[:60] + "...")
