"""Events say what their kind must say, and cannot be changed."""

import pytest
from pydantic import ValidationError

from mlubench.ledger.canonical import canonical_json
from mlubench.ledger.events import REQUIRED, Event, NamedHash
from support.ledgers import BASE, audited, received


def test_every_kind_says_what_it_must() -> None:
    for kind, needed in REQUIRED.items():
        if needed:
            with pytest.raises(ValidationError, match=f"kind '{kind}' needs {', '.join(needed)}"):
                Event(kind=kind, actor="desk")
        else:
            Event(kind=kind, actor="desk")


def test_an_event_is_frozen_and_strict() -> None:
    event = received("R-1")
    with pytest.raises(ValidationError, match="frozen"):
        event.actor = "somebody else"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        received("R-1", subject="People/Jane_Doe")
    with pytest.raises(ValidationError):
        received("R 1")
    with pytest.raises(ValidationError):
        NamedHash(name="forget", sha256=BASE[1:])
    # Without its zone, a time says nothing.
    with pytest.raises(ValidationError, match="timezone"):
        received("R-1", happened="2026-01-02T03:04:05")


def test_it_is_the_same_after_it_was_written() -> None:
    event = audited("R-1")
    assert Event.model_validate_json(canonical_json(event.model_dump(mode="json"))) == event
    assert received("R-1").id != received("R-1").id


def test_canonical_json_is_that_of_the_standard() -> None:
    """The example of RFC 8785, section 3.2.2, without its longest string."""
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 1e-27],
        "literals": [None, True, False],
        "€": "\u20ac$\u000f\u000aA'B\"\\",
    }
    assert canonical_json(value).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"€":"€$\\u000f\\nA\'B\\"\\\\"}'
    )
