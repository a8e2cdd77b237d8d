"""The body of a call: JSON alone, no larger than it may be, and in time."""

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from mlubench.serving.failures import ApiError
from mlubench.serving.limits import Limits

if TYPE_CHECKING:
    from starlette.requests import Request


async def json_body(request: "Request", limits: Limits) -> bytes:
    """Raises ApiError where it says that it is something else, is too large, or takes too long to come."""
    # A form of another page cannot send JSON.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "send JSON, as: Content-Type: application/json",
            "unsupported_media_type",
        )
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for part in request.stream():
                body += part
                if len(body) > limits.body_bytes:
                    raise ApiError(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        f"the request has more than {limits.body_bytes:,} bytes",
                        "request_too_large",
                    )
    except TimeoutError:
        raise ApiError(
            HTTPStatus.REQUEST_TIMEOUT, "the request did not arrive in time", "timeout"
        ) from None
    return bytes(body)
