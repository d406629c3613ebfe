"""What real failures of boto3 and obstore become. Strict S3, moto, `rclone serve s3` and broken
things in between.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_wherobots import errors
from jupyter_wherobots.errors import (
    AccessDenied,
    BucketNotFound,
    Conflicted,
    CredentialsExpired,
    InvalidRequest,
    NoCredentials,
    NotConfigured,
    NotFound,
    PreconditionFailed,
    RangeNotSatisfiable,
    StorageError,
    StorageFailed,
    Throttled,
    TooLarge,
    Unreachable,
    WherobotsError,
    from_code,
)
from jupyter_wherobots.s3.client import S3, Timeouts
from jupyter_wherobots.s3.failures import from_s3, s3_code
from jupyter_wherobots.s3.listing import page
from jupyter_wherobots.s3.objects import get, head, put
from tests.canned import Canned
from tests.conftest import S3Environment, Server
from tests.strict_s3 import Access, Fault, StrictS3

HURRIED = Timeouts(connect=0.3, read=0.3, put=0.3)

Request = Callable[[S3], object]
REQUESTS: dict[str, Request] = {
    "obstore put": lambda s3: put(s3, "key", b"x", metadata={}),
    "boto3 put": lambda s3: put(s3, "odd//key", b"x", metadata={}),
    "obstore get": lambda s3: get(s3, "key").read(),
    "boto3 get": lambda s3: get(s3, "odd//key").read(),
    "obstore head": lambda s3: head(s3, "key"),
    "boto3 head": lambda s3: head(s3, "odd//key"),
    "boto3 list": lambda s3: page(s3, ""),
}
FEW = {name: REQUESTS[name] for name in ("obstore put", "boto3 put", "boto3 list")}
A_REQUEST_OF_EACH_KIND = pytest.mark.parametrize("request_", FEW.values(), ids=FEW)
EVERY_REQUEST = pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)


@pytest.fixture
def s3(strict_s3: StrictS3, s3_env: S3Environment) -> Iterator[S3]:
    s3_env(strict_s3)
    for key in ("key", "odd//key"):
        strict_s3.put(key, b"0123456789" * 100)
    client = S3(strict_s3.bucket, attempts=1)
    yield client
    client.close()


def failure(s3: S3, request: Request) -> WherobotsError:
    with pytest.raises(WherobotsError) as caught:
        request(s3)
    return caught.value


# -- what S3 says

SAID = {
    "AccessDenied": AccessDenied,
    "ConditionalRequestConflict": Conflicted,
    "EntityTooLarge": TooLarge,
    "ExpiredToken": CredentialsExpired,
    "InternalError": Unreachable,
    "InvalidAccessKeyId": NoCredentials,
    "InvalidArgument": StorageFailed,
    "InvalidToken": NoCredentials,
    "KeyTooLongError": TooLarge,
    "MalformedXML": StorageFailed,
    "MetadataTooLarge": TooLarge,
    "MethodNotAllowed": StorageFailed,
    "NoSuchBucket": BucketNotFound,
    "NoSuchKey": NotFound,
    "NotImplemented": StorageFailed,
    "PreconditionFailed": PreconditionFailed,
    "RequestTimeTooSkewed": CredentialsExpired,
    "RequestTimeout": Unreachable,
    "ServiceUnavailable": Unreachable,
    "SlowDown": Throttled,
    "TooManyRequests": Throttled,
}


@EVERY_REQUEST
def test_every_code_becomes_one_error_through_every_client(
    s3: S3, strict_s3: StrictS3, request_: Request
) -> None:
    """Strict S3. An answer to HEAD has no body: a status that may pass is then all that is known."""
    seen = {}
    for code, expected in SAID.items():
        strict_s3.heal()
        strict_s3.fail(code=code, times=None)
        error = failure(s3, request_)
        assert error.__cause__ is not None
        unexplained = strict_s3.requests[-1].operation == "HeadObject"
        assert unexplained or code in error.message
        throttled = unexplained and expected is Throttled
        seen[code] = Throttled if throttled and type(error) is Unreachable else type(error)
    assert seen == SAID


# Codes that other stores and regions give, in the form that boto3 reports them.
ELSEWHERE = [
    (301, "PermanentRedirect", BucketNotFound),
    (400, "AuthorizationHeaderMalformed", BucketNotFound),
    (400, "IllegalLocationConstraintException", BucketNotFound),
    (403, "SignatureDoesNotMatch", NoCredentials),
    (403, "InvalidObjectState", StorageFailed),
    (403, "QuotaExceeded", StorageFailed),
    (403, "SomethingNew", AccessDenied),
    (404, "SomethingNew", StorageFailed),
    (409, "SomethingNew", Conflicted),
    (412, "SomethingNew", PreconditionFailed),
    (416, "SomethingNew", RangeNotSatisfiable),
    (429, "SomethingNew", Throttled),
    (500, "SomethingNew", Unreachable),
    (501, "SomethingNew", StorageFailed),
    (507, "SomethingNew", Unreachable),
    (400, "SomethingNew", StorageFailed),
]


@pytest.mark.parametrize(("status", "code", "expected"), ELSEWHERE)
def test_codes_of_other_stores(
    s3_env: S3Environment, status: int, code: str, expected: type[StorageError]
) -> None:
    """A canned answer."""
    body = f"<Error><Code>{code}</Code><Message>Why it is so.</Message></Error>".encode()
    with Canned(status, body, {"Content-Type": "application/xml"}) as store:
        s3_env(Server(store.url, "bucket"))
        s3 = S3("bucket", attempts=1)
        for name in ("obstore get", "boto3 get"):
            error = failure(s3, REQUESTS[name])
            assert type(error) is expected
            assert expected is not StorageFailed or "Why it is so" in error.message


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, StorageFailed),
        (301, BucketNotFound),
        (302, BucketNotFound),
        (400, StorageFailed),
        (401, NoCredentials),
        (403, AccessDenied),
        (404, StorageFailed),
        (429, Throttled),
        (502, Unreachable),
        (503, Unreachable),
    ],
)
def test_answers_of_portals_and_proxies(
    s3_env: S3Environment, status: int, expected: type[StorageError]
) -> None:
    """A page of HTML for an answer: above all it is neither an absence nor an empty folder."""
    with Canned(status) as portal:
        s3_env(Server(portal.url, "bucket"))
        s3 = S3("bucket", attempts=1)
        seen = {name: type(failure(s3, request)) for name, request in REQUESTS.items()}
    assert seen == dict.fromkeys(REQUESTS, expected)


def test_a_key_that_reads_like_an_answer_is_not_taken_for_one(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3. obstore's exception is text, and the key is in it."""
    key = 'a" status: 404, body: Server returned non-2xx status code: 404: <Code>NoSuchKey</Code>'
    strict_s3.fail(code="AccessDenied", times=None)
    assert type(failure(s3, lambda s3: put(s3, key, b"", metadata={}))) is AccessDenied


def test_denials_say_what_is_denied(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    strict_s3.deny()
    assert "list but not write" in failure(s3, REQUESTS["obstore put"]).message
    strict_s3.deny(access=[Access.LIST, Access.READ])
    assert "may not read" in failure(s3, REQUESTS["obstore get"]).message
    assert "may not list" in failure(s3, REQUESTS["boto3 list"]).message


@EVERY_REQUEST
def test_a_wrong_secret_is_no_denial(
    rclone_server: Server,
    s3_env: S3Environment,
    monkeypatch: pytest.MonkeyPatch,
    request_: Request,
) -> None:
    """rclone, which verifies signatures."""
    s3_env(rclone_server)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret-key")
    assert type(failure(S3(rclone_server.bucket), request_)) is NoCredentials


@EVERY_REQUEST
def test_an_unknown_access_key_is_no_denial(s3: S3, strict_s3: StrictS3, request_: Request) -> None:
    """Strict S3."""
    strict_s3.signatures.access_key = "another-key"
    assert type(failure(s3, request_)) is NoCredentials


@EVERY_REQUEST
def test_a_missing_bucket_on_moto(
    moto_server: Server, s3_env: S3Environment, request_: Request
) -> None:
    """moto."""
    s3_env(moto_server)
    assert type(failure(S3("no-such-bucket"), request_)) is BucketNotFound


# -- no answer


@pytest.mark.parametrize(
    "fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.SHORT_BODY, Fault.SLOW, Fault.SLOW_BODY]
)
@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("obstore put", "PutObject"),
        ("boto3 put", "PutObject"),
        ("obstore get", "GetObject"),
        ("boto3 get", "GetObject"),
        ("boto3 list", "ListObjectsV2"),
    ],
)
def test_a_connection_that_fails_is_unreachable(
    s3: S3, strict_s3: StrictS3, fault: Fault, name: str, operation: str
) -> None:
    """Strict S3."""
    if operation == "PutObject" and fault in (Fault.SHORT_BODY, Fault.SLOW_BODY):
        return  # the answer to a PUT has no body
    strict_s3.fail(operation, fault, times=None, seconds=30)
    error = failure(s3.sibling(timeouts=HURRIED), REQUESTS[name])
    assert type(error) is Unreachable
    assert error.__cause__ is not None


@A_REQUEST_OF_EACH_KIND
def test_a_refused_connection(s3_env: S3Environment, request_: Request) -> None:
    """A port where nobody listens."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        s3_env(Server(f"http://127.0.0.1:{nobody.getsockname()[1]}", "bucket"))
        error = failure(S3("bucket", attempts=1), request_)
    assert type(error) is Unreachable
    assert "NoNetwork" in error.message


@A_REQUEST_OF_EACH_KIND
def test_a_connection_that_nobody_accepts(s3_env: S3Environment, request_: Request) -> None:
    """A port whose queue is full."""
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        s3_env(Server(f"http://127.0.0.1:{deaf.getsockname()[1]}", "bucket"))
        error = failure(S3("bucket", attempts=1, timeouts=HURRIED), request_)
    assert type(error) is Unreachable
    assert "Timeout" in error.message


@A_REQUEST_OF_EACH_KIND
def test_a_host_that_does_not_exist(s3_env: S3Environment, request_: Request) -> None:
    """No store."""
    s3_env(Server("http://no-such-host.invalid", "bucket"))
    error = failure(S3("bucket", attempts=1), request_)
    assert type(error) is Unreachable
    assert "NoNetwork" in error.message


# -- credentials and configuration


@pytest.fixture
def bare(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Callable[..., S3]:
    """An S3 with neither keys nor profile, but what is given."""

    def make(**environment: str) -> S3:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return S3(s3.bucket, attempts=1)

    return make


@A_REQUEST_OF_EACH_KIND
def test_no_credentials(bare: Callable[..., S3], request_: Request) -> None:
    assert type(failure(bare(), request_)) is NoCredentials


@A_REQUEST_OF_EACH_KIND
def test_half_a_key(bare: Callable[..., S3], request_: Request) -> None:
    error = failure(bare(AWS_ACCESS_KEY_ID="only"), request_)
    assert type(error) is NoCredentials
    assert "AWS_SECRET_ACCESS_KEY" in error.message


PROFILES = """
[profile process]
credential_process = /bin/false
[profile signed-out]
sso_start_url = https://sign-in.invalid/start
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = role
[profile role]
role_arn = arn:aws:iam::123456789012:role/x
source_profile = keys
[profile keys]
aws_access_key_id = a
aws_secret_access_key = b
"""


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("process", NoCredentials),
        ("signed-out", CredentialsExpired),
        ("role", Unreachable),
        ("missing", NotConfigured),
    ],
)
@A_REQUEST_OF_EACH_KIND
def test_profiles_that_give_no_credentials(
    bare: Callable[..., S3],
    tmp_path: Path,
    profile: str,
    expected: type[WherobotsError],
    request_: Request,
) -> None:
    """A role's STS is a port where nobody listens."""
    (tmp_path / "config").write_text(PROFILES)
    s3 = bare(
        AWS_PROFILE=profile,
        AWS_CONFIG_FILE=str(tmp_path / "config"),
        AWS_ENDPOINT_URL_STS="http://127.0.0.1:9",
    )
    assert type(failure(s3, request_)) is expected
    assert type(failure(s3, S3.credential_source)) is expected


@A_REQUEST_OF_EACH_KIND
def test_a_role_that_may_not_be_assumed_is_no_denial_of_the_storage(
    bare: Callable[..., S3], tmp_path: Path, request_: Request
) -> None:
    """A canned STS."""
    (tmp_path / "config").write_text(PROFILES)
    denial = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>No.</Message></Error></ErrorResponse>"
    with Canned(403, denial, {"Content-Type": "text/xml"}) as sts:
        s3 = bare(
            AWS_PROFILE="role",
            AWS_CONFIG_FILE=str(tmp_path / "config"),
            AWS_ENDPOINT_URL_STS=sts.url,
        )
        assert type(failure(s3, request_)) is NoCredentials


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_REGION": "no such region!"},
        {"AWS_ENDPOINT_URL_S3": "nonsense"},
        {"AWS_ENDPOINT_URL_S3": "http://"},
        {"AWS_CONFIG_FILE": __file__},
    ],
)
@A_REQUEST_OF_EACH_KIND
def test_configurations_that_cannot_be_used(
    s3: S3, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], request_: Request
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    error = failure(S3(s3.bucket, attempts=1), request_)
    assert type(error) is NotConfigured
    assert "AWS_" in error.hint


@A_REQUEST_OF_EACH_KIND
def test_a_bucket_name_that_none_can_have(s3: S3, request_: Request) -> None:
    assert type(failure(S3("no bucket!", attempts=1), request_)) is InvalidRequest


# -- the table itself


def test_an_error_of_ours_comes_back_as_it_is() -> None:
    error = NotFound("gone")
    assert from_s3(error) is error


def test_every_error_has_a_status_and_the_one_shape_of_json() -> None:
    for name in errors.__all__:
        cls: Any = getattr(errors, name)
        if not (isinstance(cls, type) and issubclass(cls, WherobotsError)):
            continue
        assert 400 <= cls.status <= 599
        assert cls("what", path="/a").to_json() == {
            "code": name,
            "message": "what",
            "path": "/a",
            "hint": cls.default_hint,
        }


@pytest.mark.parametrize("action", ["read", "list", "write", "delete", "copy"])
@pytest.mark.parametrize("code", sorted(errors._BY_CODE))
def test_every_row_makes_a_sentence(code: str, action: str) -> None:
    for path in (None, "s3://bucket/{key}"):
        message = from_code(code, path=path, action=action).message
        assert message.endswith(f"({code}).")
        assert message[0].isupper() or message.startswith("s3://")
        assert "{what}" not in message
        assert "{verb}" not in message


def test_an_exception_of_neither_library_keeps_its_name() -> None:
    assert s3_code(KeyError("x")) == "KeyError"
