"""What is recorded: one event in the life of a deletion request. Nothing in it may name the subject.

Who asked, and for whom, goes into `subject` and `details` of `Ledger.append`: a keyed hash, and encrypted text.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from uuid import uuid4

from pydantic import AwareDatetime, Field, JsonValue, model_validator

from mlubench.core.errors import UsageError
from mlubench.settings.strict import Strict

Kind = Literal[
    "received",  # taken in
    "verified",  # approved by a person
    "gated",  # from now on the gate refuses it
    "scoped",  # what must go and what must stay is written down
    "training",  # an expert is being trained
    "audited",  # the expert was measured
    "held",  # a bound was not met: it stays inactive, and `reason` says why
    "failed",  # a step broke off, and `reason` says why
    "active",  # the expert answers
    "rejected",  # refused by a person
    "reverted",  # taken out again
    "destroyed",  # a subject's key was destroyed: its details can be read no more
    "noted",  # anything else that is worth keeping
]

# In characters, of the name of whoever does something.
LONGEST_ACTOR = 200
# What an event of a kind must say; the rest may be left out.
REQUIRED: Mapping[Kind, tuple[str, ...]] = {
    "received": ("request",),
    "verified": ("request",),
    "gated": ("request",),
    "scoped": ("request", "data"),
    "training": ("request", "base", "data"),
    "audited": ("request", "experts", "judge", "scores"),
    "held": ("request", "reason"),
    "failed": ("request", "reason"),
    "active": ("request", "base", "experts", "limits"),
    "rejected": ("request", "reason"),
    "reverted": ("request",),
    "destroyed": (),
    "noted": ("reason",),
}

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
# Names of requests and of events: no spaces, nothing that a database or a shell reads otherwise.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:@/+-]{1,200}$")]
Share = Annotated[float, Field(ge=0, le=1)]


class NamedHash(Strict):
    """The hash of a file, a folder or a set of data."""

    name: str
    """What it is, such as `forget`, `retain` or the folder of an expert."""
    sha256: Sha256


class Score(Strict):
    """One measured rate with its interval."""

    name: str
    """What was measured, such as `forget_quality`, `utility`, `leak_rate` or `over_refusal_rate`."""
    score: Share | None
    """None where no answer could be judged."""
    ci95: tuple[float, float] | None = None
    n: int = Field(ge=0)
    """Of how many answers."""
    unscored: int = Field(default=0, ge=0)
    """How many more could not be judged."""


def require_actor(name: str) -> str:
    """The name of who does something. Raises UsageError for one that no event holds, or that would show as another."""
    if not name.strip() or len(name) > LONGEST_ACTOR or not name.isprintable():
        raise UsageError(
            f"{name[:60]!r} is no name of who does this",
            f"Give one of 1 to {LONGEST_ACTOR} letters, such as alice.",
        )
    return name


class Event(Strict):
    """What happened, by whom, to which request, with the evidence."""

    kind: Kind
    request: Name | Literal[""] = ""
    """The request's id, which must not tell who asked."""
    actor: str = Field(min_length=1, max_length=LONGEST_ACTOR)
    """Who did it: a name of the operator's staff, or of the worker. It is kept in plain text."""
    happened: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    """When it happened. When it was recorded is the entry's affair."""
    id: Name = Field(default_factory=lambda: uuid4().hex)
    """One event has one id: appended again after a crash, it is still one entry."""

    base: Sha256 | None = None
    """Hash of the base model's weights."""
    data: tuple[NamedHash, ...] = ()
    """What was forgotten and what was kept beside it."""
    experts: tuple[NamedHash, ...] = ()
    gate: NamedHash | None = None
    configuration: dict[str, JsonValue] = Field(default_factory=dict)
    """The settings that training and measuring were done with."""
    judge: str = ""
    """Who judged the answers, with its version."""
    scores: tuple[Score, ...] = ()
    seconds: dict[str, float] = Field(default_factory=dict)
    """How long steps took, by name, such as `approval_to_gate`."""
    limits: tuple[str, ...] = ()
    """What this does not give, one sentence each."""
    reason: str = ""
    """Why, in words."""

    @model_validator(mode="after")
    def _says_what_its_kind_must(self) -> Self:
        missing = [name for name in REQUIRED[self.kind] if not getattr(self, name)]
        if missing:
            raise ValueError(f"an event of kind {self.kind!r} needs {', '.join(missing)}")
        return self
