"""One spelling of a JSON value (RFC 8785), so that equal values have equal hashes in every language."""

import hashlib
from typing import Any

import rfc8785

from mlubench.core.errors import UsageError


def canonical_json(value: Any) -> bytes:
    """The one spelling of a JSON value, in UTF-8.

    Raises UsageError for what JSON cannot carry from one machine to another: NaN, infinities, integers beyond 2^53, half
    characters.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError) as error:
        raise UsageError(
            f"a value cannot be written as JSON: {error}", "Mend the event or its details."
        ) from None


def sha256(data: bytes) -> str:
    """As 64 digits of lower-case hex."""
    return hashlib.sha256(data).hexdigest()
