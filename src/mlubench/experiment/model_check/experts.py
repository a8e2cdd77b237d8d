"""The step that answers with experts: written, checked, loaded, and mixed into one batch with the base."""

import torch
from torch import Tensor

from mlubench.core.errors import MlubenchError
from mlubench.experiment.model_check.asking import NEW_TOKENS
from mlubench.experiment.model_check.subject import ANSWERS, Subject, distance
from mlubench.experiment.model_check.training import EXPERTS
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.lumoe.gates.prototype import PrototypeGate
from mlubench.models.adapters import remove_adapters
from mlubench.models.features import FeatureCache
from mlubench.types import Route


def mixed(subject: Subject) -> str:
    """Each row of a mixed batch gets its own expert and the base's rows none, as where each is asked alone."""
    try:
        return _mixed(subject)
    finally:
        remove_adapters(subject.mllm)


def _mixed(subject: Subject) -> str:
    engine = LUMoE(subject.mllm, PrototypeGate(), FeatureCache(subject.mllm))
    store = ExpertStore(subject.folder / "experts")
    names = [name for name in EXPERTS if name in store.names()]
    if not names:
        raise MlubenchError("no expert could be trained to answer with")
    # A row of each expert, and the others for the base.
    needs: list[tuple[str, ...]] = [(name,) for name in names]
    needs += [()] * (len(subject.queries) - len(needs))
    untouched = _rows(engine, subject, [_route(())] * len(needs))
    for name in names:
        engine.experts.add(store, name)
    routes = [_route(experts) for experts in needs]
    together = _rows(engine, subject, routes)
    for number, (route, row) in enumerate(zip(routes, together, strict=True)):
        alone = _rows(engine, subject, [route], first=number)[0]
        subject.require_equal(row, alone, "a mixed batch changes an answer's logits")
        change = distance(row, untouched[number])
        if route.experts and not change > 0:
            raise MlubenchError(f"expert {route.experts[0]} changes nothing of what is said")
        if not route.experts:
            subject.require_equal(row, untouched[number], "an expert changes the base's rows")
    engine.generate(subject.queries, routes, max_new_tokens=NEW_TOKENS)
    kinds = ", ".join(f"{name} of scope {EXPERTS[name]}" for name in names)
    return f"experts ({kinds}) and the base answer in one batch, each as alone"


def _route(experts: tuple[str, ...]) -> Route:
    return Route(experts, None, 0.0, "checked")


def _rows(engine: LUMoE, subject: Subject, routes: list[Route], *, first: int = 0) -> list[Tensor]:
    """Logits (A, V) of the answers to the queries from `first` on, each with its route."""
    queries = list(subject.queries[first : first + len(routes)])
    answers = list(ANSWERS[first : first + len(routes)])
    rows: list[Tensor] = [torch.empty(0)] * len(routes)
    for numbers in engine.passes(queries, routes):
        pairs = [(queries[number], answers[number]) for number in numbers]
        with engine.answering([routes[number] for number in numbers]):
            for number, row in zip(numbers, subject.answer_rows(pairs), strict=True):
                rows[number] = row
    return rows
