"""Large objects read by several requests at once. Strict S3, and the stores that each test names."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from jupyter_wherobots.errors import (
    AccessDenied,
    Cancelled,
    PreconditionFailed,
    Unreachable,
)
from jupyter_wherobots.s3 import ranges
from jupyter_wherobots.s3.client import S3, Timeouts
from jupyter_wherobots.s3.crew import Budget
from jupyter_wherobots.s3.objects import put
from tests.conftest import Endpoint, S3Environment
from tests.strict_s3 import Fault, StrictS3

PART = 1000
CONTENT = bytes(range(251)) * 100  # 25,100 bytes: 26 requests


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> Budget:
    """A memory of this test's own, so that it can be seen to be given back."""
    own = Budget(10 * PART)
    monkeypatch.setattr(ranges, "BUFFERS", own)
    return own


@pytest.fixture
def s3(strict_s3: StrictS3, s3_env: S3Environment, budget: Budget) -> Iterator[S3]:
    s3_env(strict_s3)
    client = S3(strict_s3.bucket, timeouts=Timeouts(read=5), attempts=1)
    yield client
    client.close()


@pytest.fixture(params=["strict_s3", "moto_server", "rclone_server"])
def any_store(
    request: pytest.FixtureRequest, s3_env: S3Environment, budget: Budget
) -> Iterator[S3]:
    server: Endpoint = request.getfixturevalue(request.param)
    s3_env(server)
    client = S3(server.bucket)
    yield client
    client.close()


def read(s3: S3, etag: str, part: int = PART) -> bytes:
    with ranges.get(s3, "key", etag, part=part) as body:
        return body.read()


def all_given_back(budget: Budget) -> bool:
    """Whether all memory is free, now or as soon as the requests under way are over."""
    budget.take(budget.size)
    budget.give(budget.size)
    return True


@pytest.mark.parametrize("size", [1, PART - 1, PART, PART + 1, 5 * PART, len(CONTENT)])
def test_all_bytes_come_in_their_order(any_store: S3, budget: Budget, size: int) -> None:
    etag = put(any_store, "key", CONTENT[:size], metadata={"name": "value"})
    with ranges.get(any_store, "key", etag, part=PART) as body:
        assert (body.size, body.etag, body.metadata) == (size, etag, {"name": "value"})
        assert b"".join(body.chunks) == CONTENT[:size]
    assert budget.free == budget.size


def test_several_requests_are_under_way_at_once(s3: S3, strict_s3: StrictS3) -> None:
    etag = put(s3, "key", CONTENT, metadata={})
    with ranges.get(s3, "key", etag, part=PART) as body, strict_s3.gate("GetObject") as gate:
        chunks = body.chunks
        next(chunks)
        gate.wait_for_arrivals(4)
        gate.release()
        assert CONTENT.endswith(b"".join(chunks))


def test_little_memory_is_enough(s3: S3, budget: Budget, monkeypatch: pytest.MonkeyPatch) -> None:
    etag = put(s3, "key", CONTENT, metadata={})
    monkeypatch.setattr(ranges, "BUFFERS", little := Budget(PART + 1))
    assert read(s3, etag) == CONTENT
    assert little.free == little.size


def test_a_version_that_is_replaced_meanwhile_is_not_mixed(
    s3: S3, strict_s3: StrictS3, budget: Budget
) -> None:
    etag = put(s3, "key", CONTENT, metadata={})
    with ranges.get(s3, "key", etag, part=PART) as body:
        put(s3, "key", CONTENT[::-1], metadata={})
        with pytest.raises(PreconditionFailed):
            b"".join(body.chunks)
    assert all_given_back(budget)


def test_versions_are_not_mixed_where_conditions_do_not_count(
    s3: S3, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "matches", lambda _: None)  # not sent, so not kept
    etag = put(s3, "key", CONTENT, metadata={})
    with ranges.get(s3, "key", etag, part=PART) as body:
        put(s3, "key", CONTENT[::-1], metadata={})
        with pytest.raises(PreconditionFailed):
            b"".join(body.chunks)
    assert all_given_back(budget)


def test_a_store_whose_ranges_are_dear_sends_all_at_once(
    s3_env: S3Environment, rclone_server: Endpoint, budget: Budget
) -> None:
    s3_env(rclone_server)
    s3 = S3(rclone_server.bucket)
    etag = put(s3, "key", CONTENT, metadata={})
    with ranges.get(s3, "key", etag, part=PART) as body:
        first = next(body.chunks)
    assert first == CONTENT
    s3.close()


@pytest.mark.parametrize(
    ("fault", "raised"), [(Fault.ERROR, AccessDenied), (Fault.RESET_BEFORE, Unreachable)]
)
def test_a_request_that_fails_ends_it(
    s3: S3, strict_s3: StrictS3, budget: Budget, fault: Fault, raised: type[Exception]
) -> None:
    etag = put(s3, "key", CONTENT, metadata={})
    with ranges.get(s3, "key", etag, part=PART) as body:
        chunks = body.chunks
        next(chunks)
        strict_s3.fail("GetObject", fault, code="AccessDenied", times=None)
        with pytest.raises(raised):
            b"".join(chunks)
    assert all_given_back(budget)


def test_a_stop_does_not_wait_for_what_hangs(s3: S3, strict_s3: StrictS3, budget: Budget) -> None:
    etag = put(s3, "key", CONTENT, metadata={})
    stop = threading.Event()
    with ranges.get(s3, "key", etag, part=PART, stop=stop) as body:
        with strict_s3.gate("GetObject") as gate:
            chunks = body.chunks
            next(chunks)
            gate.wait_for_arrivals(1)
            stop.set()
            with pytest.raises(Cancelled):
                b"".join(chunks)
            assert budget.free < budget.size  # the requests under way still fill it
        assert all_given_back(budget)


def test_what_is_not_read_to_its_end_is_given_back(s3: S3, budget: Budget) -> None:
    etag = put(s3, "key", CONTENT, metadata={})
    with ranges.get(s3, "key", etag, part=PART) as body:
        next(body.chunks)
    assert all_given_back(budget)
