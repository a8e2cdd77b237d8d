"""Where a picture's scores send a query, and whom they make suspect."""

from torch import Tensor

from mlubench.lumoe.gates.known import Known
from mlubench.types import Route


def suspects_of(known: Known, scores: Tensor, suspicion: float | None) -> tuple[str, ...]:
    """The requests that a picture is like (F,) above `suspicion`, the most alike first; none without one."""
    if suspicion is None:
        return ()
    above = (scores > suspicion).nonzero().flatten()
    in_order = above[scores[above].argsort(descending=True, stable=True)]
    return tuple(known.entities[number] for number in in_order.tolist())


def route_of(known: Known, values: Tensor, numbers: Tensor, threshold: float) -> Route:
    """The experts of all looks above the threshold. `values` and `numbers` (L,) are of the looks at one picture.

    The route names the request that the best of them is most like. The requests of the others are suspects.
    """
    best = int(values.argmax())
    score = float(values[best])
    nearest = known.entities[int(numbers[best])]
    over = score - threshold
    if over <= 0:
        why = f"likeness {score:.2f} <= {threshold:.2f}, nearest {nearest}"
        return Route((), None, over, why)
    hits = numbers[values > threshold].tolist()
    experts = sorted({known.experts[number] for number in hits})
    why = f"likeness {score:.2f} > {threshold:.2f}, nearest {nearest}"
    others = sorted({known.entities[number] for number in hits} - {nearest})
    if others:
        why = f"{why}, in parts {', '.join(others)}"
    return Route(tuple(experts), nearest, over, why, suspects=tuple(others))
