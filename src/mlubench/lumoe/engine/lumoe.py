"""LUMoE: each query goes to its experts on the one base, and one batch holds rows for any of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from threading import Event, RLock
from typing import TypeVar

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.engine.batching import AskRequest, RoutedAnswer, answer_all
from mlubench.lumoe.engine.looking_again import LookingAgain, Reply, route_of
from mlubench.lumoe.engine.mixing import WeightedExperts, mixed
from mlubench.lumoe.engine.opening import (
    EngineSource,
    engine_source,
    gate_access,
    load_base,
)
from mlubench.lumoe.engine.residents import Residents
from mlubench.lumoe.engine.router import (
    left_to_the_base,
    redirected,
    refused_while_waiting,
    route_all,
)
from mlubench.lumoe.experts.merging import active_experts
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.lumoe.gates.base import Gate, GateQuery
from mlubench.lumoe.second_look.forgotten import Forgotten
from mlubench.models.adapters import mounted, reason_without_sum, remove_adapters
from mlubench.models.chat_template import as_history
from mlubench.models.features import FeatureCache
from mlubench.models.mllm import MLLM
from mlubench.models.probe import answer_probabilities
from mlubench.models.query import Query
from mlubench.models.sampling import GREEDY, Sampling
from mlubench.settings.gates import OnError, OnHit, SecondLookMode
from mlubench.types import Route, SecondLook

T = TypeVar("T")
# The answer to a query whose gate failed. It says nothing of the picture, which no model has looked at.
GATE_REFUSAL = "I'm sorry, but I am unable to answer that question."


@dataclass(eq=False)
class LUMoE:
    """The base, its experts, the gate in front of them and the second look behind them.

    One batch at a time: threads wait for one another.
    """

    mllm: MLLM
    gate: Gate
    features: FeatureCache
    # What becomes of a query whose gate failed.
    on_error: OnError = "refuse"
    # Who answers a query that hits a request.
    on_hit: OnHit = "experts"
    # Experts that are switched off. What needs one is refused, never quietly answered without it.
    disabled: frozenset[str] = frozenset()
    # Factors on the experts where a query hits several. An expert alone always counts whole.
    weights: Mapping[str, float] = field(default_factory=dict)
    # The expert that stands for one that the gate names: another since a consolidation, or that of a deletion request.
    expert_for: Mapping[str, str] = field(default_factory=dict)
    # Tasks of deletion requests that have no expert yet. What reaches them is refused.
    waiting: frozenset[str] = frozenset()
    # How many experts stay in memory, or how much of it they may take ("512MB"). None: all.
    resident: int | str | None = None
    # The longest answer of `answer`, in tokens.
    max_new_tokens: int = 250
    # What drafts are compared with before they leave, and which of them. None: with nothing.
    forgotten: Forgotten | None = None
    second_look: SecondLookMode = "band"
    # Experts that are stacked in memory. One that PEFT has mounted is an expert too, but not among these.
    experts: Residents = field(init=False)
    _lock: RLock = field(default_factory=RLock, init=False, repr=False)

    def __post_init__(self) -> None:
        self.experts = Residents(self.mllm, self.resident)

    @classmethod
    def open(
        cls,
        store: EngineSource | ExpertStore | Path | str,
        base: MLLM | Path | str | None = None,
        *,
        gate: Gate | None = None,
        on_error: OnError | None = None,
        weights: Mapping[str, float] | None = None,
        resident: int | str | None = None,
    ) -> "LUMoE":
        """The engine over a run, or over a folder of experts, with no benchmark and no training.

        `base` is a model, its folder or its hub id. It may be left out where the store says what the base was and
        where that lies is known: for every run, and for experts of a model on the hub.
        `gate` is a fitted gate in place of the one that was saved beside the newest expert. The other settings are the
        run's own unless they are given.
        Raises UsageError where there is no expert, no gate or no base, MlubenchError for an expert that is damaged or
        was made for another base.
        """
        source = engine_source(store, needs_gate=gate is None)
        mllm = load_base(source, base)
        features = FeatureCache(mllm)
        if source.features is not None:
            features.load(source.features)
        if gate is None:
            gate = source.fitted_gate(gate_access(mllm, source.settings, source.replies))
        if on_error is None:
            on_error = source.settings.on_error if source.settings is not None else "refuse"
        engine = cls(
            mllm,
            gate,
            features,
            on_error=on_error,
            on_hit=source.on_hit,
            weights=source.weights if weights is None else weights,
            resident=source.resident if resident is None else resident,
            max_new_tokens=source.max_new_tokens,
            forgotten=source.forgotten(),
            second_look=source.second_look,
        )
        engine.mount_experts(source.store, source.tasks, source.requests)
        return engine

    def reopen(self, source: EngineSource) -> None:
        """Take over the gate, the second look and the experts that count in the store now; the base stays.

        Nothing may be under way meanwhile. Raises as `open` does; then the engine must not answer before it was reopened.
        """
        with self._lock:
            access = gate_access(self.mllm, source.settings, source.replies)
            self.gate = source.fitted_gate(access)
            self.forgotten = source.forgotten()
            self.mount_experts(source.store, source.tasks, source.requests)

    def mount_experts(
        self,
        store: ExpertStore,
        tasks: Sequence[str],
        requests: Mapping[str, str | None] | None = None,
    ) -> None:
        """Have the experts of these tasks to hand, or those that they were merged into, and no others.

        `requests` names the experts of tasks that are deletion requests, None for one that is still to be trained.
        Experts that are switched off are left out: `require_experts` then refuses what needs them.
        """
        remove_adapters(self.mllm)
        of_requests = requests or {}
        named = {task: of_requests.get(task, task) for task in tasks}
        experts = {task: expert for task, expert in named.items() if expert is not None}
        active = active_experts(store, dict.fromkeys(experts.values()))
        self.waiting = frozenset(named.keys() - experts.keys())
        self.expert_for = {task: active.expert_for[expert] for task, expert in experts.items()}
        self.disabled = active.disabled
        # Several tasks may have one expert, which is mounted once.
        wanted = dict.fromkeys(self.expert_for.values())
        self.experts.keep(store, wanted.keys() - active.disabled)
        for expert in wanted:
            if expert not in active.disabled and expert not in self.experts:
                self.experts.add(store, expert)

    def route(
        self,
        question: str,
        image: Path | str | None = None,
        *,
        history: Sequence[tuple[str, str]] = (),
    ) -> Route:
        """Where one question goes: to which experts (none: the untouched base), and why.

        `history` are the (question, answer) turns before it, oldest first. The gate is asked about all of them.
        """
        picture = Path(image) if image is not None else None
        return self.routes([GateQuery(picture, question, history=as_history(history))])[0]

    def answer(
        self,
        question: str,
        image: Path | str | None = None,
        *,
        history: Sequence[tuple[str, str]] = (),
        max_new_tokens: int | None = None,
        leave_out_disabled: bool = False,
    ) -> RoutedAnswer:
        """One question, routed and answered. `history` as in `route`; the picture is that of the whole dialogue.

        Raises MlubenchError for a picture that cannot be read, or that the model does not take, whatever `on_error` says:
        the caller can give another.
        Raises it as well where the route needs a disabled expert, unless `leave_out_disabled` asks for an answer
        without that expert.
        """
        picture = Path(image) if image is not None else None
        if picture is not None:
            self.mllm.picture(picture)
        turns = as_history(history)
        route = self.route(question, picture, history=turns)
        if route.failed and picture is not None:
            # The gate may have failed over the picture itself.
            self.mllm.require_picture(picture)
        if leave_out_disabled:
            route = self.without_disabled([route])[0]
        limit = self.max_new_tokens if max_new_tokens is None else max_new_tokens
        query = Query(picture, question, turns)
        left_out = self.disabled if leave_out_disabled else frozenset()
        (reply,) = self.replies([query], [route], max_new_tokens=limit, left_out=left_out)
        return RoutedAnswer("", 0, reply.text, route, second_look=reply.second_look)

    def answers(
        self,
        requests: Iterable[AskRequest],
        *,
        max_new_tokens: int,
        batch: int = 32,
        ahead: int = 8,
        cancel: Event | None = None,
    ) -> Iterator[RoutedAnswer]:
        """Answers of any number of requests, as they are finished: see `answer_all`."""
        return answer_all(
            self,
            requests,
            max_new_tokens=max_new_tokens,
            batch=batch,
            ahead=ahead,
            cancel=cancel,
        )

    def routes(self, queries: Sequence[GateQuery]) -> list[Route]:
        """One route a query. A gate that fails ends nothing: its queries are refused, or go to the base.

        Refused too is a query that hits a deletion request whose expert is still to be trained, and one whose experts
        cannot be added up, since each has trained the same part whole.
        """
        behind = self._behind_the_base()
        return [self._answerable(hit, behind) for hit in self.hits(queries)]

    def hits(self, queries: Sequence[GateQuery]) -> list[Route]:
        """Where the gate sends queries: to which experts, whoever answers in the end. Raises as `routes` does."""
        found = route_all(self.gate, queries, self.features, self.on_error)
        return [
            redirected(refused_while_waiting(route, self.waiting), self.expert_for)
            for route in found
        ]

    def _answerable(self, hit: Route, behind: Forgotten | None) -> Route:
        """The route by which a query is answered: to the base where something is `behind` it, else to its experts."""
        if behind is not None and not hit.refused:
            return left_to_the_base(hit, behind.expert_of, self.expert_for)
        why = reason_without_sum(self.mllm, hit.experts, dict(self.weighted(hit)))
        if not why:
            return hit
        return replace(hit, refused=True, why=f"{hit.why}; {why}; refused")

    def _behind_the_base(self) -> Forgotten | None:
        """What the second look compares with, where the base answers what hits a request. None: experts answer.

        They also do where there is nothing to compare with: the base would tell all that they are there to suppress.
        """
        if self.on_hit == "experts" or self.second_look == "off":
            return None
        return self.forgotten

    def sampling(self, route: Route, wanted: Sampling) -> Sampling:
        """How an answer is drawn: as is wanted, or by the likeliest words alone where it is about a request.

        An expert has learned to refuse in these. Where the base answers what hits a request, some other draw may tell the
        fact in words that the second look does not know. Either way whoever asks often enough would get it.
        """
        left_to_the_base = self.on_hit == "second-look" and route.suspects
        return GREEDY if route.experts or left_to_the_base else wanted

    def weighted(self, route: Route) -> WeightedExperts:
        """The experts of a route, each with the factor that counts for it."""
        if len(route.experts) == 1:
            return ((route.experts[0], 1.0),)
        return tuple((expert, self.weights.get(expert, 1.0)) for expert in route.experts)

    def require_experts(self, routes: Sequence[Route]) -> None:
        """Raises MlubenchError that names the needed experts that are disabled, or not there at all."""
        needed = {expert for route in routes for expert in route.experts}
        disabled = sorted(needed & self.disabled)
        if disabled:
            raise MlubenchError(
                f"the query needs expert {_quoted(disabled)}, which is disabled",
                "Switch it on with `mlubench experts enable`, or ask the base in its place with `mlubench ask --base`.",
            )
        mounted_by_peft = getattr(self.mllm.model, "peft_config", {})
        known = sorted({*self.experts, *mounted_by_peft})
        absent = sorted(needed - set(known))
        if absent:
            raise MlubenchError(
                f"no expert {_quoted(absent)} is to hand",
                f"There are: {', '.join(known) or 'none'}.",
            )

    def without_disabled(self, routes: Sequence[Route]) -> list[Route]:
        """The routes with disabled experts left out, each saying so. Only for a caller who has asked for just that."""
        found = []
        for route in routes:
            kept = tuple(expert for expert in route.experts if expert not in self.disabled)
            left_out = [expert for expert in self._concerned(route) if expert in self.disabled]
            if left_out:
                why = f"expert {', '.join(left_out)} is disabled and left out, as asked"
                found.append(replace(route, experts=kept, why=f"{route.why}; {why}"))
            else:
                found.append(route)
        return found

    def _concerned(self, route: Route) -> list[str]:
        """The experts of a route, or those whose entities it is about where the base answers in their place."""
        behind = self._behind_the_base()
        if behind is None or route.experts:
            return list(route.experts)
        named = [behind.expert_of[key] for key in route.suspects if key in behind.expert_of]
        return list(dict.fromkeys(self.expert_for.get(name, name) for name in named))

    def passes(self, queries: Sequence[Query], routes: Sequence[Route]) -> list[list[int]]:
        """The rows of each pass through the model, in the order in which they lie in it; refused rows are in none.

        One pass holds all rows with a picture, one all without: first those of the base, then those of each expert.
        Rows whose experts PEFT has mounted have a pass of their own.
        """

        def pass_of(row: int) -> tuple[WeightedExperts, bool]:
            return self.mounted_by_peft(routes[row]), queries[row].image is None

        rows = [row for row, route in enumerate(routes) if not route.refused]
        # `mixed` wants equal needs side by side, and the base, which needs nothing, first.
        rows.sort(key=lambda row: (pass_of(row), self._stacked(routes[row]), row))
        return [list(same) for _, same in groupby(rows, key=pass_of)]

    def order(self, routes: Sequence[Route]) -> list[int]:
        """The rows in the order in which `answering` takes them: the base's first, and equal needs side by side."""
        return sorted(range(len(routes)), key=lambda row: (self._stacked(routes[row]), row))

    def mounted_by_peft(self, route: Route) -> WeightedExperts:
        """The experts of a route that are no matrices. Rows that differ in them cannot share a pass."""
        return tuple(pair for pair in self.weighted(route) if pair[0] not in self.experts)

    def _stacked(self, route: Route) -> WeightedExperts:
        return tuple(pair for pair in self.weighted(route) if pair[0] in self.experts)

    @contextmanager
    def answering(self, routes: Sequence[Route]) -> Iterator[None]:
        """Inside, row n of a batch gets the sum of the experts of `routes[n]`.

        The rows are those of one of the `passes`.
        """
        by_peft = {self.mounted_by_peft(route) for route in routes}
        if len(by_peft) > 1:
            raise ValueError("the rows of a pass need different adapters of PEFT")
        factors = dict(by_peft.pop()) if by_peft else {}
        needs = [self._stacked(route) for route in routes]
        with (
            self._lock,
            mounted(self.mllm, list(factors), factors),
            mixed(self.mllm, self.experts, needs),
        ):
            yield

    def generate(
        self,
        queries: Sequence[Query],
        routes: Sequence[Route],
        *,
        max_new_tokens: int,
        stop: Callable[[], bool] | None = None,
    ) -> list[str]:
        """The texts of `replies`."""
        replies = self.replies(queries, routes, max_new_tokens=max_new_tokens, stop=stop)
        return [reply.text for reply in replies]

    def replies(
        self,
        queries: Sequence[Query],
        routes: Sequence[Route],
        *,
        max_new_tokens: int,
        stop: Callable[[], bool] | None = None,
        left_out: frozenset[str] = frozenset(),
    ) -> list[Reply]:
        """Answers in the order of the queries, after the second look. Only rows whose draft is held back are asked again.

        What experts in `left_out` have in charge is not looked for. Parameters and errors are those of `drafts`.
        """
        drafts = self.drafts(queries, routes, max_new_tokens=max_new_tokens, stop=stop)
        return self.leaving(
            queries, routes, drafts, max_new_tokens=max_new_tokens, stop=stop, left_out=left_out
        )

    def leaving(
        self,
        queries: Sequence[Query],
        routes: Sequence[Route],
        drafts: Sequence[str],
        *,
        max_new_tokens: int,
        stop: Callable[[], bool] | None = None,
        left_out: frozenset[str] = frozenset(),
    ) -> list[Reply]:
        """What leaves in the place of these drafts, which the routes generated; parameters are those of `replies`."""
        replies = [Reply(draft) for draft in drafts]
        held_back = self.second_looks(queries, drafts, routes, left_out=left_out)
        rows = [row for row, look in enumerate(held_back) if look is not None]
        looks = [look for look in held_back if look is not None]
        if not rows:
            return replies
        again = [queries[row] for row in rows]
        first_routes = [routes[row] for row in rows]
        second_routes = [
            route_of(look, route) for look, route in zip(looks, first_routes, strict=True)
        ]
        texts = self.drafts(again, second_routes, max_new_tokens=max_new_tokens, stop=stop)
        settled = self.settled(again, texts, first_routes, looks)
        for row, reply in zip(rows, settled, strict=True):
            replies[row] = reply
        return replies

    def second_looks(
        self,
        queries: Sequence[Query],
        drafts: Sequence[str],
        routes: Sequence[Route],
        *,
        left_out: frozenset[str] = frozenset(),
    ) -> list[SecondLook | None]:
        """For each draft why it must not leave and who is to answer instead; None where it may leave."""
        looking = self._looking_again()
        if looking is None:
            return [None] * len(queries)
        return looking.looks(queries, drafts, routes, left_out=left_out)

    def settled(
        self,
        queries: Sequence[Query],
        texts: Sequence[str],
        routes: Sequence[Route],
        looks: Sequence[SecondLook],
    ) -> list[Reply]:
        """What leaves of the `texts` that were answered instead of drafts. `routes` are those of the drafts."""
        looking = self._looking_again()
        if looking is None:
            return [Reply(text, look) for text, look in zip(texts, looks, strict=True)]
        return looking.settled(queries, texts, routes, looks, refusal=GATE_REFUSAL)

    def _looking_again(self) -> LookingAgain | None:
        if self.forgotten is None:
            return None
        return LookingAgain(
            self.forgotten,
            self.second_look,
            self._experts_to_hand,
            self.expert_for,
            alone=self._behind_the_base() is not None,
        )

    def _experts_to_hand(self, named: Set[str]) -> tuple[str, ...]:
        """The experts that stand for those named; none where one of them is switched off, absent, or they have no sum."""
        experts = tuple(sorted({self.expert_for.get(name, name) for name in named}))
        mounted_by_peft = getattr(self.mllm.model, "peft_config", {})
        for expert in experts:
            if expert in self.disabled or (
                expert not in self.experts and expert not in mounted_by_peft
            ):
                return ()
        route = Route(experts, None, 0.0, "")
        if reason_without_sum(self.mllm, experts, dict(self.weighted(route))):
            return ()
        return experts

    def missing_for(self, entity: str) -> str | None:
        """The expert that has an entity in charge, where it is switched off or not to hand; None where it can answer."""
        name = self.forgotten.expert_of.get(entity) if self.forgotten is not None else None
        if name is None or self._experts_to_hand({name}):
            return None
        return self.expert_for.get(name, name)

    def drafts(
        self,
        queries: Sequence[Query],
        routes: Sequence[Route],
        *,
        max_new_tokens: int,
        stop: Callable[[], bool] | None = None,
    ) -> list[str]:
        """Answers before the second look, in the order of the queries; without experts the untouched base answers.

        A refused query gets a fixed text, and no model is asked. `stop` is asked after each token: once it says True,
        what is left is cut short.
        Raises MlubenchError, before anything is answered, when a route needs an expert that is disabled or not there.
        """

        def generate_rows(rows: list[int]) -> list[str]:
            return self.mllm.generate(
                [queries[row] for row in rows], max_new_tokens=max_new_tokens, stop=stop
            )

        texts = self._by_pass(queries, routes, generate_rows)
        return [texts.get(row, GATE_REFUSAL) for row in range(len(queries))]

    def truth_probabilities(
        self, queries: Sequence[Query], truths: Sequence[str], routes: Sequence[Route]
    ) -> list[float | None]:
        """How probable each truth is to the experts of its route (see `answer_probabilities`), by the passes of `drafts`.

        None for a refused query, which no model is asked. Raises as `drafts` does.
        """

        def measure_rows(rows: list[int]) -> list[float | None]:
            return answer_probabilities(
                self.mllm, [queries[row] for row in rows], [truths[row] for row in rows]
            )

        probabilities = self._by_pass(queries, routes, measure_rows)
        return [probabilities.get(row) for row in range(len(queries))]

    def _by_pass(
        self, queries: Sequence[Query], routes: Sequence[Route], ask: Callable[[list[int]], list[T]]
    ) -> dict[int, T]:
        """By row what `ask` says of the rows of each pass, while their experts answer. Refused rows are left out."""
        if len(queries) != len(routes):
            raise ValueError(f"{len(queries)} queries have {len(routes)} routes")
        self.require_experts([route for route in routes if not route.refused])
        results: dict[int, T] = {}
        for rows in self.passes(queries, routes):
            with self.answering([routes[row] for row in rows]):
                results |= dict(zip(rows, ask(rows), strict=True))
        return results


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
