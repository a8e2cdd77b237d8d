"""The server answers whatever its own document allows, and what it does not, without failing."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from mlubench.serving import deletions
from mlubench.serving.openapi import OPERATIONS, Operation, document
from support.serving import MODEL, ask


def try_many(address: str, offered: Operation, examples: int, **headers: str) -> None:
    """Calls that the document allows, and others: none of them makes the server fail."""
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json", headers=headers)
    operation = schema[offered.path][offered.method.upper()]

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def try_it(case: schemathesis.Case) -> None:
        if isinstance(case.body, dict) and "model" in case.body:
            # Any other name is refused before anything is looked at.
            case.body["model"] = MODEL
        response = case.call(headers=headers)
        assert response.status_code < 500, response.text
        # Much that has the right form asks nothing, as an empty message, and is refused.
        case.validate_response(response, excluded_checks=[positive_data_acceptance])

    try_it()


@pytest.mark.parametrize("offered", OPERATIONS, ids=lambda operation: operation.path)
def test_no_call_makes_the_server_fail(server: str, offered: Operation) -> None:
    try_many(server, offered, examples=60)


def test_no_call_of_an_admin_makes_the_server_fail(
    requests_server: str, key_file: dict[str, str]
) -> None:
    for offered in deletions.operations():
        try_many(requests_server, offered, 6, Authorization=f"Bearer {key_file['admin']}")


def test_every_path_that_is_served_is_in_the_document(server: str) -> None:
    told = ask(server, "/openapi.json").json
    assert told == json.loads(json.dumps(document()))
    assert set(told["paths"]) == {operation.path for operation in OPERATIONS}
    for operation in OPERATIONS:
        path = operation.path.replace("{model}", MODEL)
        body = {} if operation.body else None
        # 404 and 405 would say that nothing is there.
        assert ask(server, path, body).status in {200, 400}
