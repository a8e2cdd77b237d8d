"""A request's entry in the gate: put in at approval, pointed at its expert later, taken out when it is reverted.

The gate takes in what a request brings, and nothing of what it knew is learned anew. To take a request out, the gate
that came with the store learns the others again, in their order: the gate that would be there had the request never come.
So it does where a request asks for what the gate was made to keep, which it then keeps no longer.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.engine.opening import EngineSource, gate_access
from mlubench.lumoe.experts import state
from mlubench.lumoe.experts.in_force import Saved, put_in_force, set_in_force
from mlubench.lumoe.gates.base import ExtendableGate, Gate, ReleasingGate
from mlubench.lumoe.second_look.forgotten import Forgotten
from mlubench.models.features import FeatureCache
from mlubench.models.mllm import MLLM
from mlubench.requests.kept import KeptSet, entities_of, keep_beside
from mlubench.requests.place import Place
from mlubench.requests.scoping import as_benchmark, gate_task, is_scoped, scoped_task
from mlubench.requests.submission import read_sent
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Task


@dataclass(frozen=True)
class GateWork:
    """What changing a gate takes."""

    place: Place
    mllm: MLLM
    kept: KeptSet

    def put_in(self, request: str) -> None:
        """From now on the gate refuses the request. Nothing is done where it does so already."""
        sent = read_sent(self.place, request)
        keep_beside(self.place, request, sent.key, self.kept)
        with state.locked(self.place.store.root):
            source = self.place.now()
            if request in source.requests:
                return
            gate, forgotten = self._with(source, request)
            put_in_force(
                self.place.store.root,
                _saved(gate, forgotten),
                [*source.tasks, request],
                {**source.requests, request: None},
            )

    def point_at(self, request: str, expert: str) -> None:
        """From now on the expert answers for the request, and the second look knows what it must not say."""
        with state.locked(self.place.store.root):
            source = self.place.now()
            if request not in source.requests:
                raise MlubenchError(
                    f"request {request} was taken out meanwhile", "There is nothing left to do."
                )
            if source.requests[request] == expert:
                return
            gate, forgotten = self._opened(source)
            if forgotten is not None:
                forgotten.extend(scoped_task(self.place, request), self._settings(request))
            put_in_force(
                self.place.store.root,
                _saved(gate, forgotten),
                source.tasks,
                {**source.requests, request: expert},
            )

    def take_out(self, request: str) -> None:
        """From now on nothing knows of the request. Nothing is done where nothing does."""
        with state.locked(self.place.store.root):
            source = self.place.now()
            if request not in source.requests:
                return
            remaining = {name: e for name, e in source.requests.items() if name != request}
            if not remaining:
                set_in_force(self.place.store.root, None)
                return
            gate, forgotten = self._made_anew(list(remaining))
            put_in_force(
                self.place.store.root,
                _saved(gate, forgotten),
                [*self.place.before.tasks, *remaining],
                remaining,
            )

    def with_request(self, request: str) -> Gate:
        """The gate as it would be with the request in it. What counts in the store stays as it is."""
        keep_beside(self.place, request, read_sent(self.place, request).key, self.kept)
        gate, _ = self._with(self.place.now(), request)
        return gate

    def second_look_with(self, source: EngineSource, request: str) -> Forgotten | None:
        """What the second look will know once the request's expert is in force."""
        forgotten = source.forgotten()
        if forgotten is not None:
            forgotten.extend(scoped_task(self.place, request), self._settings(request))
        return forgotten

    def _opened(self, source: EngineSource) -> tuple[Gate, Forgotten | None]:
        access = gate_access(self.mllm, self.place.config.gates, None)
        return source.fitted_gate(access), source.forgotten()

    def _with(self, source: EngineSource, request: str) -> tuple[Gate, Forgotten | None]:
        """What counts, with the request in it."""
        gate, forgotten = self._opened(source)
        asked_for = entities_of(self.place, [*source.requests, request])
        entity = read_sent(self.place, request).entity
        if isinstance(gate, ReleasingGate) and gate.keeps(entity):
            return self._made_anew([*source.requests, request])
        self._extend(gate, forgotten, request, asked_for)
        return gate, forgotten

    def _made_anew(self, requests: Sequence[str]) -> tuple[Gate, Forgotten | None]:
        """What came with the store, once it has learned these requests in their order and keeps nothing of them."""
        gate, forgotten = self._opened(self.place.before)
        asked_for = entities_of(self.place, requests)
        if isinstance(gate, ReleasingGate):
            for request in requests:
                entity = read_sent(self.place, request).entity
                if gate.keeps(entity):
                    benchmark = self._benchmark(gate_task(self.place, request, asked_for))
                    gate.release(entity, benchmark, self._features, self._settings(request))
        for request in requests:
            self._extend(gate, forgotten, request, asked_for)
        return gate, forgotten

    def _extend(
        self, gate: Gate, forgotten: Forgotten | None, request: str, asked_for: Collection[str]
    ) -> None:
        """Have gate and second look learn one request more."""
        if not isinstance(gate, ExtendableGate):
            raise cannot_learn(gate.name)
        task = gate_task(self.place, request, asked_for)
        settings = self._settings(request)
        gate.extend(task, self._benchmark(task), self._features, settings)
        if forgotten is not None:
            scoped = is_scoped(self.place, request)
            known = scoped_task(self.place, request, asked_for) if scoped else task
            forgotten.extend(known, settings)

    @property
    def _features(self) -> FeatureCache:
        return FeatureCache(self.mllm)

    def _benchmark(self, task: Task) -> Benchmark:
        return as_benchmark(self.place, task.name, task, self.kept)

    def _settings(self, request: str) -> GateConfig:
        sent = read_sent(self.place, request)
        return self.place.gate_settings({sent.entity: list(sent.aliases)})


def cannot_learn(gate: str) -> MlubenchError:
    return MlubenchError(
        f"gate {gate!r} learns all requests anew for each",
        "Use a store whose gate is hybrid, metric or mention.",
    )


def _saved(gate: Gate, forgotten: Forgotten | None) -> Sequence[Saved]:
    return [gate] if forgotten is None else [gate, forgotten]
