"""The body of a call: of the one type that is taken, no larger than it may be, and in time."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from mlubench.serving.failures import ApiError, wrong
from mlubench.serving.limits import Limits

if TYPE_CHECKING:
    from starlette.requests import Request


# Nobody types more into a form.
_FORM_BYTES = 2**16
_FORM_FIELDS = 16


async def json_body(request: "Request", limits: Limits) -> bytes:
    """Raises ApiError where it says that it is something else, is too large, or takes too long to come."""
    # A form of another page cannot send JSON.
    _require_type(request, "application/json", "send JSON, as: Content-Type: application/json")
    return await _body(request, limits.body_bytes, limits.body_seconds)


async def form_body(request: "Request", limits: Limits) -> Mapping[str, str]:
    """The fields of a form, of each the last. Raises ApiError as `json_body` does."""
    _require_type(request, "application/x-www-form-urlencoded", "send the form of the page")
    body = await _body(request, _FORM_BYTES, limits.body_seconds)
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FORM_FIELDS)
    except ValueError:
        raise wrong("the form cannot be read") from None
    return dict(fields)


def _require_type(request: "Request", wanted: str, message: str) -> None:
    stated = request.headers.get("content-type", "").partition(";")[0].strip()
    if stated != wanted:
        raise ApiError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message, "unsupported_media_type")


async def _body(request: "Request", most: int, seconds: float) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise ApiError(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        f"the request has more than {most:,} bytes",
                        "request_too_large",
                    )
    except TimeoutError:
        raise ApiError(
            HTTPStatus.REQUEST_TIMEOUT, "the request did not arrive in time", "timeout"
        ) from None
    return bytes(body)
