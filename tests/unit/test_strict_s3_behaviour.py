"""What every S3 does: the strict server and moto must agree, or one of them is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import Endpoint, S3Environment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass
class Store:
    """A server and a client of it."""

    name: str
    s3: S3Client
    bucket: str

    def put(self, key: str, body: bytes = b"body", **options: Any) -> str:
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **options)["ETag"]

    def body(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def refusal(self, operation: str, **arguments: Any) -> tuple[int, str]:
        """The status and the code with which an operation is refused."""
        with pytest.raises(ClientError) as refused:
            getattr(self.s3, operation)(Bucket=self.bucket, **arguments)
        response = refused.value.response
        return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


@pytest.fixture(params=["strict_s3", "moto_server"])
def store(request: pytest.FixtureRequest, s3_env: S3Environment) -> Iterator[Store]:
    server: Endpoint = request.getfixturevalue(request.param)
    s3_env(server)
    client = boto3.client("s3", config=Config(retries={"max_attempts": 0}))
    yield Store(request.param, client, server.bucket)
    client.close()


def test_put_refuses_an_existing_key_only_under_if_none_match(store: Store) -> None:
    store.put("a", b"1", IfNoneMatch="*")
    assert store.refusal("put_object", Key="a", Body=b"2", IfNoneMatch="*") == (
        412,
        "PreconditionFailed",
    )
    assert store.body("a") == b"1"


def test_put_under_if_match_takes_the_right_etag_alone(store: Store) -> None:
    first = store.put("a", b"1")
    second = store.put("a", b"2", IfMatch=first)
    assert store.refusal("put_object", Key="a", Body=b"3", IfMatch=first) == (
        412,
        "PreconditionFailed",
    )
    assert store.put("a", b"3", IfMatch=second) != second
    assert store.body("a") == b"3"
