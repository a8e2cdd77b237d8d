"""A gate in front of answers: what it says, and what becomes of a query that it cannot place."""

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
    except MlubenchError:  # of one query perhaps, so each is asked alone and says its own error
        routes = [_alone(gate, query, features) for query in queries]
    return [
        _settled(r, q, on_error) if r.failed else r for q, r in zip(queries, routes, strict=True)
    ]


def carried(route: Route, merged: Mapping[str, str]) -> Route:
    """The route to the experts that stand for those the gate named, each once, saying so."""
    moved = [e for e in route.experts if merged.get(e, e) != e]
    if not moved:
        return route
    why = "; ".join((route.why, *(f"expert {e} is merged into {merged[e]}" for e in moved)))
    return replace(
        route, experts=tuple(dict.fromkeys(merged.get(e, e) for e in route.experts)), why=why
    )


def failed(error: MlubenchError) -> Route:
    """The route of a query that the gate could not place; not yet refused."""
    return Route((), None, 0.0, f"the gate failed: {error.what}", failed=True)


def _alone(gate: Gate, query: GateQuery, features: Features) -> Route:
    try:
        return gate.route([query], features)[0]
    except UsageError:
        raise
    except MlubenchError as error:
        return failed(error)


def _settled(route: Route, query: GateQuery, on_error: OnError) -> Route:
    if on_error == "base" and _readable(query):
        return replace(route, why=f"{route.why}; left to the base")
    return replace(route, refused=True, why=f"{route.why}; refused")


def _readable(query: GateQuery) -> bool:
    """Whether the base could see the picture; what it cannot read is refused whatever the setting."""
    if query.image is None:
        return True
    try:
        open_picture(query.image)
    except MlubenchError:
        return False
    return True
