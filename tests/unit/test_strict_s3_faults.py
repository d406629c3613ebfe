"""What the strict server does to requests on demand, and what it tells of them."""

from __future__ import annotations

import base64
import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import obstore
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    IncompleteReadError,
    ResponseStreamingError,
)
from obstore.store import S3Store

from tests.conftest import ACCESS_KEY, SECRET_KEY, S3Environment
from tests.strict_s3 import Call, Fault, Operation, Remote, StrictS3, When

ROOT = Path(__file__).parents[2]


@pytest.fixture
def s3(strict_s3: StrictS3, s3_env: S3Environment) -> Iterator[Any]:
    """boto3 without retries."""
    s3_env(strict_s3)
    client = boto3.client(
        "s3",
        config=Config(retries={"max_attempts": 0}),
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    yield client
    client.close()


@pytest.fixture
def bucket(strict_s3: StrictS3, s3_env: S3Environment) -> S3Store:
    """obstore without retries."""
    s3_env(strict_s3)
    return S3Store(
        strict_s3.bucket,
        endpoint=strict_s3.url,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


def put(s3: Any, server: StrictS3, key: str = "a", body: bytes = b"1", **options: Any) -> None:
    s3.put_object(Bucket=server.bucket, Key=key, Body=body, **options)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("SlowDown", 503),
        ("TooManyRequests", 429),
        ("InternalError", 500),
        ("ExpiredToken", 400),
        ("InvalidAccessKeyId", 403),
        ("RequestTimeTooSkewed", 403),
        ("ConditionalRequestConflict", 409),
    ],
)
def test_an_error_has_no_effect_and_happens_as_often_as_told(
    s3: Any, strict_s3: StrictS3, code: str, status: int
) -> None:
    rule = strict_s3.fail("PutObject", code=code, times=2)
    for _ in range(2):
        with pytest.raises(ClientError) as refused:
            put(s3, strict_s3)
        response = refused.value.response
        assert response["Error"]["Code"] == code
        assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert strict_s3.keys() == []
    put(s3, strict_s3)
    assert rule.hits == 2
    assert [(each.status, each.code, each.effect) for each in strict_s3.requests] == [
        (status, code, False),
        (status, code, False),
        (200, "", True),
    ]


def test_a_reset_before_the_effect_and_one_after_it(s3: Any, strict_s3: StrictS3) -> None:
    strict_s3.fail("PutObject", Fault.RESET_BEFORE, key="before")
    strict_s3.fail("PutObject", Fault.RESET_AFTER, key="after")
    for key in ("before", "after"):
        with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
            put(s3, strict_s3, key)
    assert strict_s3.keys() == ["after"]
    assert [(each.key, each.status, each.effect) for each in strict_s3.requests] == [
        ("before", 0, False),
        ("after", 0, True),
    ]


def test_obstore_sees_a_reset(bucket: S3Store, strict_s3: StrictS3) -> None:
    strict_s3.fail("PutObject", Fault.RESET_AFTER)
    with pytest.raises(obstore.exceptions.BaseError):
        obstore.put(bucket, "a", b"1", mode="create")
    assert strict_s3.body("a") == b"1"


def test_an_error_after_the_effect(s3: Any, strict_s3: StrictS3) -> None:
    strict_s3.fail("PutObject", Fault.ERROR_AFTER, code="InternalError")
    with pytest.raises(ClientError, match="InternalError"):
        put(s3, strict_s3)
    assert strict_s3.body("a") == b"1"


def test_an_error_inside_of_a_200(s3: Any, strict_s3: StrictS3) -> None:
    strict_s3.put("a")
    strict_s3.fail("CopyObject", Fault.ERROR_IN_200, code="InternalError")
    source = {"Bucket": strict_s3.bucket, "Key": "a"}
    with pytest.raises(ClientError, match="InternalError"):
        s3.copy_object(Bucket=strict_s3.bucket, Key="b", CopySource=source)
    assert [each.status for each in strict_s3.requests] == [200]
    assert strict_s3.keys() == ["a"]


def test_a_body_that_ends_too_soon(s3: Any, bucket: S3Store, strict_s3: StrictS3) -> None:
    strict_s3.put("a", b"x" * 100_000)
    strict_s3.fail("GetObject", Fault.SHORT_BODY, times=2)
    with pytest.raises((IncompleteReadError, ResponseStreamingError)):
        s3.get_object(Bucket=strict_s3.bucket, Key="a")["Body"].read()
    with pytest.raises(obstore.exceptions.BaseError):
        obstore.get(bucket, "a").bytes()
    assert len(obstore.get(bucket, "a").bytes()) == 100_000


def test_a_body_that_rots_on_the_way(s3: Any, strict_s3: StrictS3) -> None:
    strict_s3.put("a", b"0123456789")
    strict_s3.fail("GetObject", Fault.ROTTEN_BODY, times=2)
    got = [s3.get_object(Bucket=strict_s3.bucket, Key="a")["Body"].read() for _ in range(3)]
    assert [each[1:] for each in got] == [b"123456789"] * 3
    assert len({each[0] for each in got}) == 3
    assert got[2] == b"0123456789"


def test_a_body_that_comes_in_two_halves(s3: Any, strict_s3: StrictS3) -> None:
    strict_s3.put("a", b"0123456789")
    strict_s3.fail("GetObject", Fault.SLOW_BODY, seconds=0.01)
    assert s3.get_object(Bucket=strict_s3.bucket, Key="a")["Body"].read() == b"0123456789"


def test_an_answer_that_comes_too_late(strict_s3: StrictS3, bucket: S3Store) -> None:
    strict_s3.fail("PutObject", Fault.SLOW, seconds=60)
    hasty = S3Store(
        strict_s3.bucket,
        endpoint=strict_s3.url,
        client_options={"allow_http": True, "timeout": timedelta(milliseconds=50)},
        retry_config={"max_retries": 0},
    )
    with pytest.raises(obstore.exceptions.BaseError):
        obstore.put(hasty, "a", b"1", mode="create")
    assert strict_s3.keys() == []


def test_faults_choose_by_operation_key_and_condition(s3: Any, strict_s3: StrictS3) -> None:
    strict_s3.fail("PutObject", key="logs/*.txt", times=None)
    strict_s3.fail("PutObject", conditional=True, times=None)
    strict_s3.fail("ListObjectsV2", key="logs/*", times=None)
    put(s3, strict_s3, "logs/a.csv")
    put(s3, strict_s3, "a.txt")
    s3.list_objects_v2(Bucket=strict_s3.bucket, Prefix="data/")
    for _ in range(3):
        with pytest.raises(ClientError):
            put(s3, strict_s3, "logs/a.txt")
    with pytest.raises(ClientError):
        put(s3, strict_s3, "b.txt", IfNoneMatch="*")
    with pytest.raises(ClientError):
        s3.list_objects_v2(Bucket=strict_s3.bucket, Prefix="logs/")
    strict_s3.heal()
    put(s3, strict_s3, "logs/a.txt")


def test_chance_is_the_same_in_every_run(bucket: S3Store, strict_s3: StrictS3) -> None:
    def run() -> list[int]:
        strict_s3.reset()
        strict_s3.fail("PutObject", probability=0.2, times=None, seed=7)
        for _ in range(100):
            try:
                obstore.put(bucket, "a", b"1")
            except obstore.exceptions.BaseError:
                continue
        return [each.status for each in strict_s3.requests]

    first = run()
    assert 5 < first.count(500) < 40
    assert run() == first


def test_a_fault_that_s3_does_not_have_is_refused(strict_s3: StrictS3) -> None:
    with pytest.raises(ValueError, match="NoSuchError"):
        strict_s3.fail("PutObject", code="NoSuchError")
    with pytest.raises(ValueError, match="PutObjekt"):
        strict_s3.fail("PutObjekt")


@pytest.mark.parametrize("when", When)
def test_a_gate_holds_until_it_is_released(
    bucket: S3Store, strict_s3: StrictS3, when: When
) -> None:
    with ThreadPoolExecutor() as pool, strict_s3.gate("PutObject", key="a*", when=when) as gate:
        held = [pool.submit(obstore.put, bucket, key, b"1") for key in ("a1", "a2")]
        assert sorted(gate.wait_for_arrivals(2)) == ["a1", "a2"]
        obstore.put(bucket, "b", b"1")
        assert strict_s3.keys() == (["b"] if when is When.BEFORE else ["a1", "a2", "b"])
        assert strict_s3.count("PutObject") == 1
        strict_s3.wait_until(lambda: strict_s3.journal.in_flight == 2)
        gate.release()
        for each in held:
            each.result()
    assert strict_s3.keys() == ["a1", "a2", "b"]
    with pytest.raises(TimeoutError, match="2 of 3"):
        gate.wait_for_arrivals(3, timeout=0)


def test_a_request_whose_client_gave_up_still_takes_effect(strict_s3: StrictS3) -> None:
    with (
        strict_s3.gate("PutObject") as gate,
        socket.create_connection(("127.0.0.1", strict_s3.port)) as client,
    ):
        client.sendall(
            b"PUT /strict-bucket/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
            b"Authorization: AWS4-HMAC-SHA256 Credential=a/b\r\n\r\n1"
        )
        gate.wait_for_arrivals(1)
        client.close()
        assert strict_s3.keys() == []
        gate.release()
        strict_s3.wait_for("PutObject")
    assert strict_s3.body("a") == b"1"


def test_a_request_whose_body_never_comes_has_no_effect(strict_s3: StrictS3) -> None:
    with socket.create_connection(("127.0.0.1", strict_s3.port)) as client:
        client.sendall(
            b"PUT /strict-bucket/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
            b"Authorization: AWS4-HMAC-SHA256 Credential=a/b\r\n\r\n1"
        )
        client.shutdown(socket.SHUT_WR)
        strict_s3.wait_for("PutObject")
    record = strict_s3.requests[0]
    assert (record.operation, record.key, record.status, record.effect) == (
        Operation.PUT_OBJECT,
        "a",
        0,
        False,
    )
    assert strict_s3.keys() == []


def test_a_hook_may_use_the_server_itself(s3: Any, strict_s3: StrictS3) -> None:
    etag = strict_s3.put("a", b"1")

    def interfere(call: Call) -> None:
        assert call.key == "a"
        put(s3, strict_s3, "a", b"theirs")

    hook = strict_s3.on("PutObject", interfere, conditional=True, times=1)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        put(s3, strict_s3, "a", b"mine", IfMatch=etag)
    assert strict_s3.body("a") == b"theirs"
    assert hook.hits == 1


def test_what_a_hook_raises_is_raised_at_the_end() -> None:
    def broken(call: Call) -> None:
        raise FileNotFoundError("the hook is broken")

    server = StrictS3().start()
    server.on(None, broken)
    with pytest.raises((http.client.HTTPException, OSError)):
        urllib.request.urlopen(server.url)
    with pytest.raises(FileNotFoundError, match="the hook is broken"):
        server.stop()


def test_everything_is_counted(bucket: S3Store, s3: Any, strict_s3: StrictS3) -> None:
    with ThreadPoolExecutor(8) as pool, strict_s3.gate("PutObject") as gate:
        for number in range(8):
            pool.submit(obstore.put, bucket, f"{number}", b"x" * 1000)
        gate.wait_for_arrivals(8)
    assert strict_s3.journal.peak == 8
    obstore.get(bucket, "1").bytes()
    s3.delete_objects(Bucket=strict_s3.bucket, Delete={"Objects": [{"Key": "1"}]})
    assert strict_s3.counts == {"PutObject": 8, "GetObject": 1, "DeleteObjects": 1}
    assert strict_s3.count() == 10
    assert strict_s3.count("PutObject", Operation.GET_OBJECT) == 9
    sizes = [(each.received, each.sent) for each in strict_s3.requests if each.status == 200]
    assert sizes[:9] == [(1000, 0)] * 8 + [(0, 1000)]
    assert 8000 < strict_s3.journal.bytes_in < 20_000
    assert 1000 < strict_s3.journal.bytes_out < 10_000
    strict_s3.journal.clear()
    assert strict_s3.counts == {}


def test_latency_is_that_of_every_answer(bucket: S3Store, strict_s3: StrictS3) -> None:
    strict_s3.latency = 0.02
    began = time.monotonic()
    obstore.put(bucket, "a", b"1")
    assert time.monotonic() - began >= 0.02


def test_a_test_waits_for_requests_not_for_time(bucket: S3Store, strict_s3: StrictS3) -> None:
    writer = threading.Thread(target=lambda: obstore.put(bucket, "a", b"1"))
    writer.start()
    strict_s3.wait_until(lambda: strict_s3.keys() == ["a"])
    strict_s3.wait_for("PutObject")
    writer.join()
    with pytest.raises(TimeoutError, match="1 of 2"):
        strict_s3.wait_for("PutObject", 2, timeout=0)


def test_it_comes_back_on_its_port_with_what_it_had(strict_s3: StrictS3, bucket: S3Store) -> None:
    obstore.put(bucket, "a", b"1")
    url = strict_s3.url
    strict_s3.stop()
    with pytest.raises(obstore.exceptions.BaseError):
        obstore.get(bucket, "a")
    strict_s3.start()
    assert strict_s3.url == url
    assert bytes(obstore.get(bucket, "a").bytes()) == b"1"


def test_a_port_that_is_taken_is_an_error(strict_s3: StrictS3) -> None:
    with pytest.raises(OSError, match="address already in use"):
        StrictS3(port=strict_s3.port).start()


@pytest.mark.process
def test_the_process_is_controlled_from_outside() -> None:
    command = [sys.executable, "-m", "tests.strict_s3", "--bucket", "outside"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        remote = Remote(process.stdout.readline().strip())
        etag = remote("put", key="a", body=base64.b64encode(b"1").decode())
        found = remote("object", key="a")
        assert (found["etag"], base64.b64decode(found["body"])) == (etag, b"1")
        remote("generate", prefix="many/", count=1000)
        bucket = S3Store(
            "outside",
            endpoint=remote.url,
            access_key_id="a",
            secret_access_key="b",
            region="us-east-1",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )
        assert len(obstore.list(bucket, "many").collect()) == 1000

        remote("fail", operation="PutObject", fault="reset-after")
        with pytest.raises(obstore.exceptions.BaseError):
            obstore.put(bucket, "b", b"1")
        assert remote("keys", prefix="b") == ["b"]
        gate = remote("gate", operation="GetObject")
        with ThreadPoolExecutor() as pool:
            held = pool.submit(lambda: bytes(obstore.get(bucket, "a").bytes()))
            assert remote("wait_for_arrivals", gate=gate) == ["a"]
            remote("release", gate=gate)
            assert held.result() == b"1"
        assert remote("stats")["counts"] == {"ListObjectsV2": 1, "PutObject": 1, "GetObject": 1}
        assert remote("requests")[-1]["operation"] == "GetObject"
        with pytest.raises(TimeoutError, match="1 of 2"):
            remote("wait_for", operation="GetObject", count=2, timeout=0)
        with pytest.raises(ValueError, match="unknown"):
            remote("limits", no_such_limit=1)

        remote("quirks", names=["refuses-if-match"])
        with pytest.raises(obstore.exceptions.BaseError):
            obstore.put(bucket, "a", b"2", mode={"e_tag": etag})
        remote("reset")
        assert remote("keys") == []
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.process
def test_rclone_answers_on_a_bucket_of_its_own(rclone_server: Any, s3_env: S3Environment) -> None:
    s3_env(rclone_server)
    bucket = S3Store(
        rclone_server.bucket, endpoint=rclone_server.url, client_options={"allow_http": True}
    )
    assert obstore.list(bucket).collect() == []
    obstore.put(bucket, "a/b", b"1")
    assert bytes(obstore.get(bucket, "a/b").bytes()) == b"1"
