"""The gate's routes made safe: what becomes of a query that it cannot place, and of experts that were merged since."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.data.pictures import open_picture
from mlubench.lumoe.gates.base import Features, Gate, GateQuery
from mlubench.settings.gates import OnError
from mlubench.types import Route


def route_all(
    gate: Gate, queries: Sequence[GateQuery], features: Features, on_error: OnError
) -> list[Route]:
    """One route a query. Where the gate fails, the route says so, and is refused or left to the base.

    A query with a history needs what any of its turns needs, so the gate is asked about each and the routes are united.
    A failure is an endpoint that is down or late, or a picture that cannot be read. UsageError, which is a wrong setting
    and would fail for every query, is raised.
    """
    single_turns = [_single_turns(query, gate) for query in queries]
    routes = iter(_routes([turn for turns in single_turns for turn in turns], gate, features))
    found = []
    for query, turns in zip(queries, single_turns, strict=True):
        route = _united(turns, [next(routes) for _ in turns])
        found.append(_after_failure(route, query, on_error) if route.failed else route)
    return found


def _routes(queries: Sequence[GateQuery], gate: Gate, features: Features) -> list[Route]:
    try:
        return gate.route(queries, features)
    except UsageError:
        raise
    except MlubenchError:
        # It may be the error of one query, so each is asked alone and says its own.
        return [_route_alone(gate, query, features) for query in queries]


def _single_turns(query: GateQuery, gate: Gate) -> list[GateQuery]:
    """What a gate is asked of a dialogue, each without a history: first the question itself, then what was said before.

    A name may be told in one turn and asked about in the next, or be spread over several, so all turns together are asked
    about too. A gate that asks a model is not asked about earlier answers singly, since each of its questions costs time
    or money: they are in the dialogue as a whole, and it has answered the earlier questions when they were put.
    """
    if not query.history:
        return [query]
    questions = [question for question, _ in query.history]
    answers = [answer for _, answer in query.history]
    whole: list[str] = []
    for turn in query.history:
        whole += turn
    texts = [query.question, *questions, "\n".join([*whole, query.question])]
    if getattr(gate, "local", True):
        texts += [*answers, "\n".join([*questions, query.question])]
    return [replace(query, question=text, history=()) for text in dict.fromkeys(texts)]


def _united(turns: Sequence[GateQuery], routes: Sequence[Route]) -> Route:
    """The route to all experts that any turn needs, with the score and the entity of the surest turn.

    The first route is that of the question itself. Where the gate failed at any turn, it has failed.
    """
    first = routes[0]
    if len(routes) == 1:
        return first
    experts: set[str] = set()
    suspects = list(first.suspects)
    reasons = [first.why]
    for turn, route in zip(turns[1:], routes[1:], strict=True):
        if route.failed or not set(route.experts) <= {*experts, *first.experts}:
            reasons.append(f"earlier in the dialogue ({turn.question!r:.60}): {route.why}")
        experts |= set(route.experts)
        suspects += route.suspects
    surest = max(routes, key=lambda route: (bool(route.experts), route.score))
    return Route(
        tuple(sorted({*first.experts, *experts})),
        first.entity if first.experts else surest.entity,
        surest.score,
        "; ".join(reasons),
        failed=any(route.failed for route in routes),
        suspects=tuple(dict.fromkeys(suspects)),
    )


def redirected(route: Route, expert_for: Mapping[str, str]) -> Route:
    """The route to the experts that stand for those that the gate named, each once, saying so."""
    experts = []
    why = route.why
    for expert in route.experts:
        replacement = expert_for.get(expert, expert)
        experts.append(replacement)
        if replacement != expert:
            why += f"; expert {expert} is merged into {replacement}"
    if why == route.why:
        return route
    return replace(route, experts=tuple(dict.fromkeys(experts)), why=why)


def failed(error: MlubenchError) -> Route:
    """The route of a query that the gate could not place; not yet refused."""
    return Route((), None, 0.0, f"the gate failed: {error.what}", failed=True)


def _route_alone(gate: Gate, query: GateQuery, features: Features) -> Route:
    try:
        return gate.route([query], features)[0]
    except UsageError:
        raise
    except MlubenchError as error:
        return failed(error)


def _after_failure(route: Route, query: GateQuery, on_error: OnError) -> Route:
    # What the base could not see either is refused, whatever the setting.
    if on_error == "base" and _readable(query):
        # Another turn of the dialogue may have been placed.
        return route if route.experts else replace(route, why=f"{route.why}; left to the base")
    return replace(route, refused=True, why=f"{route.why}; refused")


def _readable(query: GateQuery) -> bool:
    if query.image is None:
        return True
    try:
        open_picture(query.image)
    except MlubenchError:
        return False
    return True
