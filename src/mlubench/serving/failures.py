"""Errors as OpenAI's clients read them. None of them says anything of experts, routes or files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.responses import JSONResponse

_TYPES = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}


@dataclass(eq=False)
class ApiError(Exception):
    """What a caller is told instead of an answer."""

    status: int
    # For a person: what is wrong, and what to do next.
    message: str
    # For a program.
    code: str
    # The field of the request that is wrong.
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> "JSONResponse":
        from starlette.responses import JSONResponse

        kind = "invalid_request_error"
        if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            kind = "server_error"
        body = {
            "message": self.message,
            "type": _TYPES.get(HTTPStatus(self.status), kind),
            "param": self.param,
            "code": self.code,
        }
        return JSONResponse({"error": body}, self.status, headers=dict(self.headers))


def wrong(message: str, param: str | None = None) -> ApiError:
    """Something in the request is not as it must be."""
    return ApiError(HTTPStatus.BAD_REQUEST, message, "invalid_request", param)


def too_many(message: str, code: str, seconds: float) -> ApiError:
    """The caller is to come back in so many seconds."""
    # Whole seconds, and never none: clients would come back at once.
    wait = max(1, round(seconds + 0.5))
    return ApiError(HTTPStatus.TOO_MANY_REQUESTS, message, code, headers={"Retry-After": str(wait)})
