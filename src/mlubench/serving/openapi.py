"""What the server offers, as an OpenAPI document: for clients that are generated, and for tests that try everything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pydantic import JsonValue, TypeAdapter
from typing_extensions import TypedDict

from mlubench.core.version import __version__
from mlubench.serving.replies import Completion
from mlubench.serving.wire import ChatRequest

Document = dict[str, JsonValue]
# Where a document keeps its schemas.
_SCHEMAS = ("components", "schemas")
_REF = "/".join(("#", *_SCHEMAS, "{model}"))


class ErrorFields(TypedDict):
    message: str
    type: str
    param: str | None
    code: str


class Error(TypedDict):
    """The body of every error."""

    error: ErrorFields


class Model(TypedDict):
    id: str
    object: str
    created: int
    owned_by: str


class Models(TypedDict):
    object: str
    data: list[Model]


class Status(TypedDict):
    status: str


# The version of the interface is a part of its paths.
V1 = "/v1"


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked of the server."""

    path: str
    method: str
    summary: str
    answer: type | None = None
    # The answer's type where it is no JSON.
    media: str = "application/json"
    body: type | None = None
    # Statuses besides 200, each with an error as its body.
    errors: Sequence[HTTPStatus] = ()
    # Other types that the answer may have, as a stream.
    also: Sequence[str] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    open: bool = False


_CHAT_ERRORS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
OPERATIONS = (
    Operation(
        f"{V1}/chat/completions",
        "post",
        "An answer to a conversation, which the gate sees whole.",
        answer=Completion,
        body=ChatRequest,
        errors=_CHAT_ERRORS,
        also=("text/event-stream",),
    ),
    Operation(f"{V1}/models", "get", "The one model that is served.", answer=Models),
    Operation(
        f"{V1}/models/{{model}}",
        "get",
        "The model of that name.",
        answer=Model,
        errors=(HTTPStatus.NOT_FOUND,),
        parameters={"model": "Its name."},
    ),
    Operation("/health", "get", "Whether the process lives.", answer=Status, open=True),
    Operation(
        "/ready",
        "get",
        "Whether requests are taken.",
        answer=Status,
        open=True,
    ),
    Operation("/metrics", "get", "Figures for Prometheus; for admins.", media="text/plain"),
)


def document(operations: Sequence[Operation] = OPERATIONS) -> Document:
    """The OpenAPI 3.1 document of these operations."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for operation in operations:
        found = _operation(operation, schemas)
        paths.setdefault(operation.path, {})[operation.method] = found
    return {
        "openapi": "3.1.0",
        "info": {"title": "mlubench", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    answer = {"description": "The answer.", "content": _answer_content(operation, schemas)}
    responses: dict[str, Any] = {"200": answer}
    errors = list(operation.errors)
    if not operation.open:
        errors += [HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN]
    for status in sorted(set(errors)):
        responses[str(int(status))] = {
            "description": status.phrase,
            "content": _json_content(Error, schemas),
        }
    if operation.path == "/ready":
        responses["503"] = answer
    found: dict[str, Any] = {"summary": operation.summary, "responses": responses}
    if operation.parameters:
        found["parameters"] = [_parameter(*one) for one in operation.parameters.items()]
    if operation.body is not None:
        found["requestBody"] = {
            "required": True,
            "content": _json_content(operation.body, schemas),
        }
    if not operation.open:
        # Without keys anybody may ask.
        found["security"] = [{"key": []}, {}]
    return found


def _answer_content(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    if operation.answer is None:
        content: dict[str, Any] = {operation.media: {"schema": {"type": "string"}}}
    else:
        content = _json_content(operation.answer, schemas)
    for media in operation.also:
        content[media] = {"schema": {"type": "string"}}
    return content


def _json_content(kind: type, schemas: dict[str, Any]) -> dict[str, Any]:
    """A body of this type. Its schema, and those that it names, are put among the document's."""
    schema = TypeAdapter(kind).json_schema(ref_template=_REF)
    schemas.update(schema.pop("$defs", {}))
    schemas[kind.__name__] = schema
    return {"application/json": {"schema": {"$ref": _REF.format(model=kind.__name__)}}}


def _parameter(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
    }
