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

    A failure is an endpoint that is down or late, or a picture that cannot be read. UsageError, which is a wrong setting
    and would fail for every query, is raised.
    """
    try:
        routes = gate.route(queries, features)
    except UsageError:
        raise
    except MlubenchError:
        # It may be the error of one query, so each is asked alone and says its own.
        routes = [_route_alone(gate, query, features) for query in queries]
    found = []
    for route, query in zip(routes, queries, strict=True):
        found.append(_after_failure(route, query, on_error) if route.failed else route)
    return found


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
        return replace(route, why=f"{route.why}; left to the base")
    return replace(route, refused=True, why=f"{route.why}; refused")


def _readable(query: GateQuery) -> bool:
    if query.image is None:
        return True
    try:
        open_picture(query.image)
    except MlubenchError:
        return False
    return True
