"""Asking a model in two steps where a query belongs: first the class, then which of the class's listed entities."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import ClassVar

import yaml
from pydantic import model_validator

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import write_json
from mlubench.core.reading import read_json, read_yaml
from mlubench.lumoe.gates.aliases import known_aliases, names_of
from mlubench.lumoe.gates.base import Features, GateQuery, ModelAccess
from mlubench.lumoe.gates.foreseen import Foreseen
from mlubench.lumoe.gates.names import Names
from mlubench.lumoe.gates.saved import HINT, SavedNames
from mlubench.lumoe.gates.spelling import fold
from mlubench.models.query import Query
from mlubench.settings.gates import AskedGateConfig, GateConfig
from mlubench.types import Benchmark, Entity, Route, Task

Reply = str | MlubenchError
# Replies in the order of the queries. What could not be answered has its error as a reply, which is not raised.
Ask = Callable[[Sequence[Query]], list[Reply]]

# The steps of a template, and the places that each must leave to be filled in.
STEPS = {"class": ("{question}", "{options}"), "entity": ("{question}", "{options}")}
_SLOT = re.compile(r"\{(question|options|class)\}")
# Words by which a sentence denies what it names, after `fold`, which drops apostrophes.
_NO = re.compile(r"\b(?:no|not|none|neither|nor|unsure|unknown|isnt|cannot|cant|dont)\b")
_QUOTED_LENGTH = 60  # characters of a reply that a route shows


def read_template(path: Path | None) -> dict[str, str]:
    """The wording of the two steps; None: our own.

    Raises UsageError for a file that is absent, or that lacks a step or a place to fill in.
    """
    if path is None:
        source = resources.files("mlubench.lumoe.gates").joinpath("two_steps.yaml")
        own: dict[str, str] = yaml.safe_load(source.read_text(encoding="utf-8"))
        return own
    found = read_yaml(
        path, "Give a YAML file with `class` and `entity`, or leave gates.mllm.template out."
    )
    for step, slots in STEPS.items():
        missing = [slot for slot in slots if slot not in str(found.get(step, ""))]
        if missing:
            raise UsageError(
                f"{path}: {step!r} lacks {', '.join(missing)}",
                "Write each where it is to be filled in.",
            )
    return {step: str(found[step]) for step in STEPS}


class SavedTwoSteps(SavedNames):
    """The state of the gate. Folders of earlier versions hold neither wording nor settings."""

    # The wording itself, since the file that it came from may be gone when the gate is loaded.
    template: dict[str, str] = {}
    settings: AskedGateConfig = AskedGateConfig()

    @model_validator(mode="after")
    def _both_steps_are_worded(self) -> "SavedTwoSteps":
        if self.template and not set(STEPS) <= set(self.template):
            raise ValueError("the template lacks a step")
        return self


class TwoSteps(ABC):
    """The gate of whoever is asked; a subclass says who.

    Two answers route a query: a class of what is to be forgotten, and a listed entity of it. Every other answer leaves the
    query to the base. No answer at all is a failure of the gate.
    """

    name = ""
    local: ClassVar[bool] = False
    asks_base: ClassVar[bool] = False
    ask: Ask

    def __init__(self) -> None:
        self.access = ModelAccess()
        self.settings = AskedGateConfig()
        self.template: dict[str, str] = {}
        self._set_entities({}, {})

    @abstractmethod
    def _asker(self, access: ModelAccess, settings: AskedGateConfig) -> Ask:
        """What asks the model. Raises UsageError for what it lacks."""

    @classmethod
    def saved_bytes(cls, foreseen: Foreseen) -> int:
        return 0

    def connect(self, access: ModelAccess) -> None:
        """Raises UsageError when the template, or what to ask with, is missing."""
        self.access = access
        settings = AskedGateConfig() if access.config is None else access.config.mllm
        self._set_settings(settings, read_template(settings.template))

    def _set_settings(self, settings: AskedGateConfig, template: dict[str, str]) -> None:
        self.settings = settings
        self.template = template
        self.ask = self._asker(self.access, settings)

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        aliases = known_aliases(config.aliases)
        experts = {e.key: task.name for task in tasks for e in task.forget_entities}
        names = {key: names_of(Entity.from_key(key), aliases) for key in experts}
        self._set_entities(experts, names)

    def _set_entities(self, experts: dict[str, str], names: dict[str, list[str]]) -> None:
        """`experts` and `names` by entity key. What is listed and searched follows from them."""
        self.expert_of = experts
        self.names = names
        self.listed: dict[str, list[Entity]] = {}
        for entity in sorted(map(Entity.from_key, experts)):
            self.listed.setdefault(entity.cls, []).append(entity)
        classes: dict[str, list[str]] = {}
        self._entities: dict[str, Names] = {}
        for cls, entities in self.listed.items():
            # A model says "animal" of the class Animals. Names passes over what comes twice.
            classes[cls] = [fold(cls), fold(cls).removesuffix("s")]
            self._entities[cls] = Names({e.key: names[e.key] for e in entities})
        self._classes = Names(classes)

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        if not self.listed:
            return [Route((), None, 0.0, "nothing is to be forgotten")] * len(queries)
        first_replies = self.ask([self._query(q, "class", list(self.listed)) for q in queries])
        classes = [self._class_in(reply) for reply in first_replies]
        # Only queries whose class is listed are asked the second question.
        asked = [n for n, cls in enumerate(classes) if cls is not None]
        second_queries = []
        for n in asked:
            cls = classes[n] or ""
            titles = [entity.title for entity in self.listed[cls]]
            second_queries.append(self._query(queries[n], "entity", titles, cls))
        second_replies = dict(zip(asked, self.ask(second_queries), strict=True))
        return [
            self._route(first, classes[n], second_replies.get(n))
            for n, first in enumerate(first_replies)
        ]

    def _query(self, query: GateQuery, step: str, options: Sequence[str], cls: str = "") -> Query:
        filled = {
            "question": query.question,
            "options": "\n".join(f"- {option}" for option in options),
            "class": cls,
        }
        # In one pass, so that a question that holds "{options}" cannot fill in anything itself.
        prompt = _SLOT.sub(lambda slot: filled[slot[1]], self.template[step])
        return Query(query.image, prompt.strip())

    def _class_in(self, reply: Reply) -> str | None:
        """The one listed class that the reply names."""
        if isinstance(reply, MlubenchError):
            return None
        found = named_in(self._classes, reply, self.settings.match)
        return found[0][0] if len(found) == 1 else None

    def _route(self, first: Reply, cls: str | None, second: Reply | None) -> Route:
        for reply in (first, second):
            if isinstance(reply, MlubenchError):
                return Route((), None, 0.0, f"the gate failed: {reply.what}", failed=True)
        if cls is None:
            why = f"class: said {_quoted(first)}, which is none that is listed"
            return Route((), None, 0.0, why)
        why = f"class: {cls}; entity: said {_quoted(second)}"
        found = named_in(self._entities[cls], str(second), self.settings.match)
        if not found:
            return Route((), None, 0.0, f"{why}, which is none that is listed")
        experts = tuple(sorted({self.expert_of[key] for key, _ in found}))
        entity, score = found[0]
        others = tuple(key for key, _ in found[1:])
        return Route(experts, entity, score, why, suspects=others)

    def save(self, folder: Path) -> None:
        state = SavedTwoSteps(
            experts=self.expert_of, names=self.names, template=self.template, settings=self.settings
        )
        saved = state.model_dump(mode="json", exclude={"settings": {"template"}})
        write_json(folder / f"{self.name}.json", saved)

    def load(self, folder: Path) -> None:
        """What is saved of the settings counts where no settings were given to `connect`."""
        state = read_json(folder / f"{self.name}.json", SavedTwoSteps, HINT)
        self._set_entities(state.experts, state.names)
        if self.access.config is None:
            self._set_settings(state.settings, state.template or read_template(None))


def named_in(names: Names, reply: str, threshold: float) -> list[tuple[str, float]]:
    """Whom a reply names, with how like (0 to 1).

    Counted is the reply as a whole, which may be misspelt, or a sentence that denies nothing and spells names right.
    """
    whole = names.meant(reply, threshold=threshold)
    if whole is not None:
        return [(whole.entity, whole.score)]
    if _NO.search(fold(reply)):
        return []
    found: dict[str, tuple[str, float]] = {}
    for hit in names.find(reply, threshold=100):
        found[hit.entity] = (hit.entity, hit.score)
    return list(found.values())


def _quoted(reply: object) -> str:
    """The reply's first characters, on one line."""
    text = " ".join(str(reply).split())
    return repr(text if len(text) <= _QUOTED_LENGTH else text[:_QUOTED_LENGTH] + "...")
