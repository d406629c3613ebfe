"""The whole API against its document, on a running server: made-up requests get documented answers, and no 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from jupyter_wherobots.handlers.document import document
from tests.jupyter_process import TOKEN, jupyter
from tests.strict_s3 import StrictS3

NEGATIVE = GenerationMode.NEGATIVE
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The schema of a server that has everything: the 2024 layout and a mirrored home."""
    folder = tmp_path_factory.mktemp("api")
    with StrictS3() as s3:
        s3.put_many({f"org/data/customer-abc/{name}": b"1" for name in ("x", "f/a", "f/b")})
        environment = {
            "AWS_ENDPOINT_URL_S3": s3.url,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_REGION": s3.region,
            "WHEROBOTS_BUCKET": s3.bucket,
            "WHEROBOTS_ORGANIZATION": "org",
            "WHEROBOTS_USER": "abc",
            "WHEROBOTS_LAYOUT": "2024",
        }
        with jupyter(folder, environment) as server:
            schema = schemathesis.openapi.from_dict(document().content)
            schema.config.update(base_url=server.url.rstrip("/"))
            yield schema


@pytest.mark.parametrize(("route", "verb"), sorted(document().operations))
def test_made_up_requests_get_documented_answers(route: str, verb: str, api: Any) -> None:
    operation = api[route][verb.upper()]

    @given(case=operation.as_strategy() | operation.as_strategy(generation_mode=NEGATIVE))
    @settings(
        max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    def answers(case: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"token {TOKEN}"}
        case.call_and_validate(timeout=60, checks=CHECKS)

    answers()
