"""The life of a deletion request: which state follows which."""

from collections.abc import Mapping
from typing import Literal

from mlubench.core.errors import UsageError


class StateError(UsageError):
    """A request is not in a state in which this could be done."""


State = Literal[
    "received",  # taken in, its pictures checked
    "verified",  # approved by a person; from now on the gate refuses it
    "scoped",  # what must go and what must stay is written down
    "training",  # its expert is being trained
    "audited",  # its expert was measured
    "active",  # its expert answers
    "rejected",  # refused by a person; it was never in effect
    "reverted",  # taken out again
]

FOLLOWS: Mapping[State, tuple[State, ...]] = {
    "received": ("verified", "rejected"),
    "verified": ("scoped", "reverted"),
    "scoped": ("training", "reverted"),
    "training": ("audited", "reverted"),
    "audited": ("active", "reverted"),
    "active": ("reverted",),
    "rejected": (),
    "reverted": (),
}
# What the worker has still to do something about.
OPEN: tuple[State, ...] = ("verified", "scoped", "training", "audited")
# From approval on, until it is taken out, the gate knows it.
IN_EFFECT: tuple[State, ...] = (*OPEN, "active")
# Nothing of it is in effect, and nothing will be.
ENDED: tuple[State, ...] = ("rejected", "reverted")


def require_step(now: State, to: State, request: str) -> None:
    """Raises StateError for a state that does not follow."""
    if to not in FOLLOWS[now]:
        next_ones = ", ".join(FOLLOWS[now]) or "none"
        raise StateError(
            f"request {request} is {now}, and {to} does not follow on that",
            f"What can follow: {next_ones}.",
        )
