"""The gate's routes made safe: what becomes of a query that it cannot place, and of experts that were merged since."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.data.pictures import open_picture
from mlubench.lumoe.gates.base import Features, GateQuery, Routing
from mlubench.settings.gates import OnError
from mlubench.types import Route


def left_to_the_base(
    route: Route, expert_of: Mapping[str, str], expert_for: Mapping[str, str]
) -> Route:
    """A route to experts as one to the base, whose answer the second look compares with all that the route was about.

    `expert_of` says by entity which expert a gate names for it, `expert_for` which expert stands for one that is named.
    A gate may name an expert and no entity of its: then the route is about all that this expert has in charge.
    """
    if not route.experts:
        return route
    suspects = list(route.suspects)
    if route.entity is not None:
        suspects.insert(0, route.entity)
    named = {expert_of[entity] for entity in suspects if entity in expert_of}
    unexplained = set(route.experts) - {expert_for.get(name, name) for name in named}
    if unexplained:
        for entity, name in expert_of.items():
            if expert_for.get(name, name) in unexplained:
                suspects.append(entity)
    why = f"{route.why}; the base answers, and the second look decides"
    return replace(route, experts=(), why=why, suspects=tuple(dict.fromkeys(suspects)))


def route_all(
    gate: Routing, queries: Sequence[GateQuery], features: Features, on_error: OnError
) -> list[Route]:
    """One route a query. Where the gate fails, the route says so, and is refused or left to the base.

    A query with a history needs what any of its turns needs, and one with several pictures what any of these needs, so
    the gate is asked about each and the routes are united.
    A failure is an endpoint that is down or late, or a picture that cannot be read. UsageError, which is a wrong setting
    and would fail for every query, is raised.
    """
    single_questions = [_single_questions(query, gate) for query in queries]
    all_asked = [query for asked in single_questions for query in asked]
    routes = iter(_routes(all_asked, gate, features))
    found = []
    for query, asked in zip(queries, single_questions, strict=True):
        route = _united(asked, [next(routes) for _ in asked])
        found.append(_after_failure(route, query, on_error) if route.failed else route)
    return found


def _routes(queries: Sequence[GateQuery], gate: Routing, features: Features) -> list[Route]:
    try:
        return gate.route(queries, features)
    except UsageError:
        raise
    except MlubenchError:
        # It may be the error of one query, so each is asked alone and says its own.
        return [_route_alone(gate, query, features) for query in queries]


def _single_questions(query: GateQuery, gate: Routing) -> list[GateQuery]:
    """What a gate is asked of a dialogue, each without a history and about one picture: first the question itself.

    With the first picture it is asked all that was said. With every other it is asked the question and the dialogue as a
    whole: what was said in single turns has been asked about by then, and what counts is the picture.
    """
    texts = _said(query, gate)
    asked = [replace(query, question=text, history=(), further=()) for text in texts]
    whole = _whole(query)
    for picture in dict.fromkeys(query.further):
        for text in dict.fromkeys([query.question, whole]):
            asked.append(replace(query, image=picture, question=text, history=(), further=()))
    return asked


def _said(query: GateQuery, gate: Routing) -> list[str]:
    """The question and then what was said before it, each once.

    A name may be told in one turn and asked about in the next, or be spread over several, so all turns together are asked
    about too. A gate that asks a model is not asked about earlier answers singly, since each of its questions costs time
    or money: they are in the dialogue as a whole, and it has answered the earlier questions when they were put.
    """
    if not query.history:
        return [query.question]
    questions = [question for question, _ in query.history]
    answers = [answer for _, answer in query.history]
    texts = [query.question, *questions, _whole(query)]
    if getattr(gate, "local", True):
        texts += [*answers, "\n".join([*questions, query.question])]
    return list(dict.fromkeys(texts))


def _whole(query: GateQuery) -> str:
    """All that was said, one line a turn."""
    lines: list[str] = []
    for turn in query.history:
        lines += turn
    return "\n".join([*lines, query.question])


def _united(asked: Sequence[GateQuery], routes: Sequence[Route]) -> Route:
    """The route to all experts that any turn or picture needs, with the score and the entity of the surest.

    The first route is that of the question itself. Where the gate failed at any turn, it has failed.
    """
    first = routes[0]
    if len(routes) == 1:
        return first
    experts: set[str] = set()
    suspects = list(first.suspects)
    reasons = [first.why]
    for query, route in zip(asked[1:], routes[1:], strict=True):
        if route.failed or not set(route.experts) <= {*experts, *first.experts}:
            where = "earlier in the dialogue"
            if query.image != asked[0].image:
                where = "another picture"
            reasons.append(f"{where} ({query.question!r:.60}): {route.why}")
        experts |= set(route.experts)
        suspects += route.suspects
    # A route names one entity, and the second look is to know them all.
    for route in routes:
        if route.experts and route.entity is not None:
            suspects.append(route.entity)
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


def refused_while_waiting(route: Route, waiting: Set[str]) -> Route:
    """The route as a refusal where it names a deletion request that has no expert yet. No expert answers then."""
    without_expert = sorted(set(route.experts) & waiting)
    if not without_expert:
        return route
    why = f"{route.why}; {', '.join(without_expert)} has no expert yet; refused"
    return replace(route, experts=(), refused=True, why=why)


def failed(error: MlubenchError) -> Route:
    """The route of a query that the gate could not place; not yet refused."""
    return Route((), None, 0.0, f"the gate failed: {error.what}", failed=True)


def _route_alone(gate: Routing, query: GateQuery, features: Features) -> Route:
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
    try:
        for picture in query.pictures:
            open_picture(picture)
    except MlubenchError:
        return False
    return True
