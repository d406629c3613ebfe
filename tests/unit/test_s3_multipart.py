"""Uploads by parts: requests, whole files, and that nothing stays behind. Strict S3, moto, rclone,
as each test says.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jupyter_wherobots.errors import (
    AccessDenied,
    Cancelled,
    Conflicted,
    InvalidPath,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    StorageFailed,
    Unreachable,
)
from jupyter_wherobots.s3 import crew, multipart
from jupyter_wherobots.s3.client import S3, Timeouts
from jupyter_wherobots.s3.crew import BUFFERS, Budget
from jupyter_wherobots.s3.multipart import MIB, Part, default_part_size, put_file
from jupyter_wherobots.s3.objects import absent, get, head, matches, put
from tests.conftest import Endpoint, S3Environment
from tests.strict_s3 import Call, Fault, StrictS3

SMALLEST = 1000
CONTENT = bytes(range(251)) * 100  # 25,100 bytes: 26 parts of the smallest size


@pytest.fixture
def s3(strict_s3: StrictS3, s3_env: S3Environment) -> Iterator[S3]:
    s3_env(strict_s3)
    strict_s3.limits.smallest_part_bytes = SMALLEST
    client = S3(strict_s3.bucket)
    yield client
    client.close()
    assert BUFFERS.free == BUFFERS.size


@pytest.fixture(params=["strict_s3", "moto_server", "rclone_server"])
def any_store(request: pytest.FixtureRequest, s3_env: S3Environment) -> Iterator[S3]:
    server: Endpoint = request.getfixturevalue(request.param)
    s3_env(server)
    client = S3(server.bucket)
    yield client
    client.close()


def upload(s3: S3, key: str = "key", content: bytes = CONTENT, **options: Any) -> str:
    options.setdefault("metadata", {})
    return put_file(s3, key, io.BytesIO(content), len(content), part_size=SMALLEST, **options)


# -- the requests


def test_parts_become_an_object(any_store: S3) -> None:
    """Strict S3, moto, rclone."""
    first, last = b"1" * (5 * MIB), b"2" * 100
    upload_id = multipart.create(
        any_store, "key", metadata={"wherobots-a": "b"}, content_type="text/x"
    )
    assert [each.upload_id for each in multipart.list_uploads(any_store, "ke")] == [upload_id]
    parts = [
        multipart.put_part(any_store, "key", upload_id, number, body)
        for number, body in ((2, last), (1, first))
    ]
    listed = multipart.list_parts(any_store, "key", upload_id)
    assert [(part.number, part.etag, part.size) for part in listed] == [
        (part.number, part.etag, part.size) for part in reversed(parts)
    ]
    multipart.complete(any_store, "key", upload_id, parts)
    assert list(multipart.list_uploads(any_store, "")) == []
    with get(any_store, "key") as body:
        assert body.read() == first + last
    assert (body.metadata["wherobots-a"], body.content_type) == ("b", "text/x")


def test_an_upload_goes_on_with_the_parts_that_s3_has(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3, listing 4 parts on a page. What another process sent is completed with its
    checksums.
    """
    upload_id = multipart.create(s3, "key", metadata={})
    for number in range(1, 11):
        multipart.put_part(s3, "key", upload_id, number, b"%d" % number * SMALLEST)
    strict_s3.limits.page = 4
    parts = multipart.list_parts(s3, "key", upload_id)
    assert [part.number for part in parts] == list(range(1, 11))
    multipart.complete(s3, "key", upload_id, parts, condition=absent())
    assert len(strict_s3.body("key")) == 11 * SMALLEST


def test_uploads_are_listed_over_pages(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3, listing 3 uploads on a page."""
    strict_s3.limits.page = 3
    ids = {multipart.create(s3, f"d/{number % 5}//\n", metadata={}) for number in range(10)}
    multipart.create(s3, "e", metadata={})
    found = list(multipart.list_uploads(s3, "d/"))
    assert {each.upload_id for each in found} == ids
    assert {each.key for each in found} == {f"d/{number}//\n" for number in range(5)}


def test_a_key_that_no_answer_could_name_begins_no_upload(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    with pytest.raises(InvalidPath):
        multipart.create(s3, "a\x01", metadata={})
    assert strict_s3.count() == 0


def test_an_abort_can_be_repeated(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    upload_id = multipart.create(s3, "key", metadata={})
    multipart.put_part(s3, "key", upload_id, 1, b"1")
    multipart.abort(s3, "key", upload_id)
    multipart.abort(s3, "key", upload_id)
    assert strict_s3.uploads() == []
    for request in (
        lambda: multipart.put_part(s3, "key", upload_id, 1, b"1"),
        lambda: multipart.list_parts(s3, "key", upload_id),
        lambda: multipart.complete(s3, "key", upload_id, [Part(1, '"x"', 1)]),
    ):
        with pytest.raises(NotFound):
            request()


def test_the_condition_of_an_upload_is_s3s_to_decide(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3. A refused upload is still there."""
    upload_id = multipart.create(s3, "key", metadata={})
    part = multipart.put_part(s3, "key", upload_id, 1, b"new")
    with pytest.raises(NotFound):
        multipart.complete(s3, "key", upload_id, [part], condition=matches('"x"'))
    stale, current = strict_s3.put("key", b"1"), strict_s3.put("key", b"2")
    for condition in (absent(), matches(stale)):
        with pytest.raises(PreconditionFailed):
            multipart.complete(s3, "key", upload_id, [part], condition=condition)
    multipart.complete(s3, "key", upload_id, [part], condition=matches(current))
    assert strict_s3.body("key") == b"new"


def test_an_error_inside_a_200_is_an_error(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3. S3 begins its answer to a Complete before it knows how it ends."""
    upload_id = multipart.create(s3, "key", metadata={})
    part = multipart.put_part(s3, "key", upload_id, 1, b"new")
    strict_s3.fail("CompleteMultipartUpload", Fault.ERROR_IN_200, times=None)
    with pytest.raises(Unreachable):
        multipart.complete(s3.sibling(attempts=1), "key", upload_id, [part])


# -- whole files


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 2000, 25_100])
def test_files_of_every_size(s3: S3, strict_s3: StrictS3, size: int) -> None:
    """Strict S3, each side of the bounds of a part."""
    arrived: list[int] = []
    etag = upload(
        s3,
        content=CONTENT[:size],
        metadata={"wherobots-a": "b"},
        content_type="text/x",
        condition=absent(),
        on_bytes=arrived.append,
    )
    assert strict_s3.body("key") == CONTENT[:size]
    assert sum(arrived) == size
    found = head(s3, "key")
    assert (found.etag, found.metadata, found.content_type) == (
        etag,
        {"wherobots-a": "b"},
        "text/x",
    )
    assert strict_s3.count("UploadPart") == max(1, -(-size // SMALLEST))


def test_a_file_makes_the_round_trip_everywhere(any_store: S3) -> None:
    """Strict S3, moto, rclone."""
    content = CONTENT * 420  # 10.5 MB
    put_file(any_store, "key", io.BytesIO(content), len(content), metadata={}, part_size=5 * MIB)
    with get(any_store, "key") as body:
        assert body.read() == content
    assert list(multipart.list_uploads(any_store, "")) == []


@pytest.mark.parametrize("key", ["odd//key", "a/../b", "new\nline", "/"])
def test_odd_keys_take_large_files_too(s3: S3, strict_s3: StrictS3, key: str) -> None:
    """Strict S3."""
    upload(s3, key)
    assert strict_s3.body(key) == CONTENT


def test_parts_grow_with_the_file() -> None:
    assert default_part_size(0) == 16 * MIB
    assert default_part_size(160_000 * MIB) == 16 * MIB
    assert default_part_size(160_000 * MIB + 1) == 17 * MIB
    most = 5 * 1024 * 1024 * MIB
    assert -(-most // default_part_size(most)) <= 10_000


def test_the_id_is_told_before_a_byte_goes_out(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    told: list[str] = []

    def created(upload_id: str) -> None:
        assert [each.upload_id for each in strict_s3.uploads()] == [upload_id]
        assert strict_s3.count("UploadPart") == 0
        told.append(upload_id)

    upload(s3, on_created=created)
    assert len(told) == 1


@pytest.mark.parametrize("operation", ["UploadPart", "CompleteMultipartUpload"])
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("AccessDenied", AccessDenied),
        ("InternalError", Unreachable),
        ("InvalidPart", StorageFailed),
    ],
)
def test_whatever_fails_nothing_stays_behind(
    s3: S3, strict_s3: StrictS3, operation: str, code: str, expected: type[Exception]
) -> None:
    """Strict S3. The abort itself has to be tried again."""
    strict_s3.fail(operation, code=code, times=None)
    strict_s3.fail("AbortMultipartUpload", code="InternalError", times=2)
    with pytest.raises(expected):
        upload(s3.sibling(attempts=1))
    assert strict_s3.uploads() == []
    assert strict_s3.keys() == []
    assert strict_s3.count("AbortMultipartUpload") == 3


@pytest.mark.parametrize(
    ("code", "expected"),
    [("PreconditionFailed", PreconditionFailed), ("ConditionalRequestConflict", Conflicted)],
)
def test_a_lost_race_leaves_nothing_behind(
    s3: S3, strict_s3: StrictS3, code: str, expected: type[Exception]
) -> None:
    """Strict S3."""
    strict_s3.fail("CompleteMultipartUpload", code=code, times=None)
    with pytest.raises(expected):
        upload(s3, condition=absent())
    assert strict_s3.uploads() == []


def test_an_abort_that_fails_is_told_with_its_id(
    s3: S3, strict_s3: StrictS3, caplog: pytest.LogCaptureFixture
) -> None:
    """Strict S3. The error that is raised is the first one."""
    strict_s3.fail("UploadPart", code="AccessDenied", times=None)
    strict_s3.fail("AbortMultipartUpload", code="InternalError", times=None)
    with caplog.at_level(logging.WARNING), pytest.raises(AccessDenied):
        upload(s3)
    assert strict_s3.uploads()[0].upload_id in caplog.text


class Interrupted(Exception):
    """Raised by a callback."""


@pytest.mark.parametrize("callback", ["on_created", "on_bytes", "before_complete"])
def test_a_callback_may_call_it_off(s3: S3, strict_s3: StrictS3, callback: str) -> None:
    """Strict S3."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    options: Any = {callback: interrupt}
    with pytest.raises(Interrupted):
        upload(s3, **options)
    assert strict_s3.uploads() == []
    assert strict_s3.count("CompleteMultipartUpload") == 0


@pytest.mark.parametrize("size", [24_000, 25_099, 25_101, 30_000])
def test_a_file_of_another_size_is_not_completed(s3: S3, strict_s3: StrictS3, size: int) -> None:
    """Strict S3."""
    with pytest.raises(StorageFailed):
        put_file(s3, "key", io.BytesIO(CONTENT), size, metadata={}, part_size=SMALLEST)
    assert strict_s3.uploads() == []
    assert strict_s3.keys() == []


class Unreadable(io.BytesIO):
    """Fails in the middle, and gives less than it was asked for before."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 5000:
            raise OSError("input/output error")
        return super().read(min(size or 0, 300))


def test_an_error_of_the_file_is_not_one_of_s3(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    with pytest.raises(OSError, match="input/output error"):
        put_file(s3, "key", Unreadable(CONTENT), len(CONTENT), metadata={}, part_size=SMALLEST)
    assert strict_s3.uploads() == []


def test_metadata_is_refused_before_the_upload_begins(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    with pytest.raises(InvalidRequest):
        upload(s3, metadata={"A": "é"})
    assert strict_s3.count() == 0


# -- stopping


def test_stop_before_it_begins(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        upload(s3, stop=stop)
    assert strict_s3.count() == 0


def test_stop_between_parts(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    stop = threading.Event()
    with pytest.raises(Cancelled):
        upload(s3, stop=stop, on_bytes=lambda _: stop.set())
    assert strict_s3.uploads() == []
    assert strict_s3.keys() == []


def test_stop_does_not_wait_for_answers_and_aborts_behind_them(
    s3: S3, strict_s3: StrictS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strict S3, holding the parts. One that arrives after the abort would stay for ever."""
    monkeypatch.setattr(crew, "_LINGER", 0.05)
    stop = threading.Event()
    with strict_s3.gate("UploadPart") as gate, ThreadPoolExecutor(1) as pool:
        result = pool.submit(upload, s3, stop=stop, concurrency=3)
        gate.wait_for_arrivals(3)
        stop.set()
        with pytest.raises(Cancelled):
            result.result(timeout=5)
        assert strict_s3.count("AbortMultipartUpload") == 1
    strict_s3.wait_for("AbortMultipartUpload", 2)
    assert strict_s3.uploads() == []


def test_stop_ends_a_part_in_the_middle_and_it_is_not_tried_again(
    s3: S3, strict_s3: StrictS3
) -> None:
    """Strict S3. The flag is set while the part is read for the first time."""

    class Countdown:
        """A flag that is set at the tenth look."""

        looks = 0

        def is_set(self) -> bool:
            self.looks += 1
            return self.looks > 10

    upload_id = multipart.create(s3, "key", metadata={})
    with pytest.raises(Cancelled):
        multipart.put_part(s3, "key", upload_id, 1, b"x" * (16 * MIB), stop=Countdown())
    assert strict_s3.count("UploadPart") == 0
    assert multipart.put_part(s3, "key", upload_id, 1, b"x").size == 1


def test_a_lost_part_is_sent_again(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    strict_s3.fail("UploadPart", Fault.RESET_AFTER, times=2)
    upload(s3)
    assert strict_s3.body("key") == CONTENT


# -- memory


def test_memory_is_bounded_over_all_uploads(
    s3: S3, strict_s3: StrictS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strict S3. Five uploads with room for three parts among them."""
    budget = Budget(3 * SMALLEST)
    monkeypatch.setattr(multipart, "BUFFERS", budget)
    with strict_s3.gate("UploadPart") as gate, ThreadPoolExecutor(5) as pool:
        results = [pool.submit(upload, s3, f"{number}") for number in range(5)]
        gate.wait_for_arrivals(3)
        strict_s3.wait_for("CreateMultipartUpload", 5)
        strict_s3.wait_until(lambda: strict_s3.journal.in_flight == 3)
        assert budget.free == 0
        assert len(gate.wait_for_arrivals(3)) == 3
        gate.release()
        for result in results:
            result.result(timeout=30)
    assert budget.free == budget.size
    assert strict_s3.contents() == {f"{number}": CONTENT for number in range(5)}


def test_waiting_for_memory_can_be_stopped() -> None:
    budget = Budget(10)
    budget.take(10)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(budget.take, 1, stop)
        stop.set()
        with pytest.raises(Cancelled):
            waiting.result(timeout=5)
    budget.give(10)
    assert budget.free == 10


def test_more_than_all_memory_counts_as_all() -> None:
    budget = Budget(10)
    with budget.hold(1000):
        assert budget.free == 0
    assert budget.free == 10


def test_a_failing_upload_does_not_keep_another_waiting_for_its_memory(
    s3: S3, strict_s3: StrictS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strict S3."""
    budget = Budget(2 * SMALLEST)
    monkeypatch.setattr(multipart, "BUFFERS", budget)
    strict_s3.fail("UploadPart", code="AccessDenied", key="bad", times=None)
    with ThreadPoolExecutor(2) as pool:
        bad, good = pool.submit(upload, s3, "bad"), pool.submit(upload, s3, "good")
        with pytest.raises(AccessDenied):
            bad.result(timeout=30)
        good.result(timeout=30)
    assert budget.free == budget.size


# -- around the parts


def test_a_slow_part_does_not_outlive_its_patience(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3, holding the parts."""
    hurried = s3.sibling(timeouts=Timeouts(connect=1, read=0.2), attempts=1)
    with strict_s3.gate("UploadPart"), pytest.raises(Unreachable):
        upload(hurried, concurrency=1)
    strict_s3.wait_until(lambda: not strict_s3.uploads())


def test_a_lost_answer_to_the_creation_leaves_no_second_upload(s3: S3, strict_s3: StrictS3) -> None:
    other = multipart.create(s3, "key", metadata={})
    strict_s3.clock.advance(60)
    multipart.create(s3, "key/below", metadata={})
    strict_s3.fail("CreateMultipartUpload", Fault.RESET_AFTER, times=2)
    upload(s3)
    # Somebody else's, begun before, goes on.
    assert [(each.key, each.upload_id == other) for each in strict_s3.uploads()] == [
        ("key", True),
        ("key/below", False),
    ]


def test_a_lost_answer_to_the_complete_is_asked_for_again(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3, which like S3 confirms a completed upload again."""
    strict_s3.fail("CompleteMultipartUpload", Fault.RESET_AFTER)
    assert upload(s3, condition=absent()) == head(s3, "key").etag
    assert strict_s3.body("key") == CONTENT


@pytest.mark.parametrize("code", ["NoSuchUpload", "PreconditionFailed"])
def test_a_lost_answer_to_the_complete_is_no_refusal(
    s3: S3, strict_s3: StrictS3, code: str
) -> None:
    """Strict S3, forgetting completed uploads as other stores do. botocore's second try meets what
    its first one did.
    """
    strict_s3.fail("CompleteMultipartUpload", Fault.RESET_AFTER)
    strict_s3.fail("CompleteMultipartUpload", code=code)
    with pytest.raises(Unreachable, match="not known"):
        upload(s3, condition=absent())
    assert strict_s3.body("key") == CONTENT
    assert strict_s3.uploads() == []


def test_progress_is_told_by_one_thread_at_a_time(s3: S3) -> None:
    """Strict S3."""
    inside = threading.Lock()
    told = 0

    def arrived(size: int) -> None:
        nonlocal told
        assert inside.acquire(blocking=False)
        told += size
        inside.release()

    upload(s3, on_bytes=arrived, concurrency=8)
    assert told == len(CONTENT)


def test_a_changed_object_is_not_overwritten(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3. Another writer comes between the parts and the Complete."""
    etag = put(s3, "key", b"old", metadata={})

    def intrude(_: Call) -> None:
        strict_s3.put("key", b"theirs")

    strict_s3.on("CompleteMultipartUpload", intrude, times=1)
    with pytest.raises(PreconditionFailed):
        upload(s3, condition=matches(etag))
    assert strict_s3.body("key") == b"theirs"
    assert strict_s3.uploads() == []
