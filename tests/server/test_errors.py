"""Whatever S3 answers, or does not, the API answers in its one shape, with a hint, and in time. On the strict S3."""

from __future__ import annotations

from typing import Any

from jupyter_wherobots.s3.client import S3
from jupyter_wherobots.s3.session import Timeouts
from jupyter_wherobots.services import Services
from tests.server.conftest import OWN, Fetch
from tests.strict_s3 import Fault, StrictS3

# What is asked of us, and the request to S3 that fails.
REQUESTS: list[tuple[str, str, dict[str, Any], tuple[str, ...]]] = [
    ("GET", "storage/list", {"path": OWN}, ("ListObjectsV2",)),
    ("GET", "storage/measure", {"path": OWN}, ("ListObjectsV2",)),
    ("GET", "storage/search", {"path": OWN, "name": "x"}, ("ListObjectsV2",)),
    ("GET", "storage/stat", {"path": OWN + "x", "type": "FILE"}, ("HeadObject", "GetObject")),
    ("GET", "storage/file", {"path": OWN + "x"}, ("HeadObject", "GetObject")),
    ("GET", "storage/file", {"path": OWN + "x"}, ("GetObject",)),
    ("GET", "storage/zip", {"path": OWN + "x"}, ("HeadObject", "GetObject")),
    ("PUT", "storage/file", {"path": OWN + "y", "body": b"1"}, ("PutObject",)),
    ("POST", "storage/folder", {"body": {"path": OWN + "f/"}}, ("PutObject",)),
    ("POST", "storage/uploads", {"body": {"path": OWN + "y", "size": 1}}, ("CreateMultipartUpload",)),
]  # fmt: skip

CODES = [
    ("AccessDenied", 403, "AccessDenied"),
    ("ExpiredToken", 403, "CredentialsExpired"),
    ("RequestTimeTooSkewed", 403, "CredentialsExpired"),
    ("NoSuchBucket", 404, "BucketNotFound"),
    ("SlowDown", 429, "Throttled"),
    ("InternalError", 503, "Unreachable"),
    ("ServiceUnavailable", 503, "Unreachable"),
]


def once(services: Services, seconds: float) -> None:
    """Nothing is tried again, and nothing is waited for longer than this."""
    storage = services.require_storage()
    limits = Timeouts(connect=seconds, read=seconds, put=seconds)
    storage.s3 = S3(storage.s3.bucket, attempts=1, timeouts=limits)
    storage.uploads._s3 = storage.s3


async def test_every_error_of_s3(strict_s3: StrictS3, fetch: Fetch, services: Services) -> None:
    once(services, 10)
    strict_s3.put("org" + OWN + "x", b"1")
    for method, route, arguments, operations in REQUESTS:
        for s3_code, status, code in CODES:
            for operation in operations:
                strict_s3.fail(operation, code=s3_code, times=None)
            answer = await fetch(method, route, **arguments)
            case = (method, route, operations, s3_code)
            # The answer to a HEAD has no body that could say more than 503.
            blind = s3_code == "SlowDown" and "HeadObject" in operations
            expected = (503, "Unreachable") if blind else (status, code)
            assert (answer.status, answer.json["code"]) == expected, case
            assert answer.json["message"], case
            assert answer.json["hint"], case
            assert answer.json["path"], case
            strict_s3.heal()


async def test_an_s3_that_does_not_answer(
    strict_s3: StrictS3, fetch: Fetch, services: Services
) -> None:
    once(services, 0.2)
    strict_s3.put("org" + OWN + "x", b"1")
    for method, route, arguments, operations in REQUESTS:
        for operation in operations:
            strict_s3.fail(operation, Fault.SLOW, seconds=20, times=None)
        answer = await fetch(method, route, **arguments)
        assert (answer.status, answer.json["code"]) == (503, "Unreachable"), (route, answer)
        strict_s3.heal()


async def test_no_network(strict_s3: StrictS3, fetch: Fetch, services: Services) -> None:
    once(services, 10)
    strict_s3.stop()
    for method, route, arguments, _ in REQUESTS:
        answer = await fetch(method, route, **arguments)
        assert (answer.status, answer.json["code"]) == (503, "Unreachable"), (route, answer)
        assert "AWS_ENDPOINT_URL_S3" in answer.json["hint"]
