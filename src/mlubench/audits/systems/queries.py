"""What is asked in an attack, as a model and as a gate take it."""

from mlubench.audits.attack import Ask
from mlubench.lumoe.gates.base import GateQuery
from mlubench.models.query import Query, TurnPicture


def query_of(ask: Ask) -> Query:
    if not ask.pictures:
        return Query(None, ask.question, ask.history)
    (turn, first), *further = ask.pictures
    more = tuple(TurnPicture(turn, path) for turn, path in further)
    return Query(first, ask.question, ask.history, image_turn=turn, further=more)


def gate_query_of(ask: Ask) -> GateQuery:
    """A gate reads the beginning of an answer too, as behind the server."""
    paths = [path for _, path in ask.pictures]
    text = f"{ask.question}\n{ask.begun}" if ask.begun else ask.question
    return GateQuery(
        paths[0] if paths else None, text, history=ask.history, further=tuple(paths[1:])
    )
