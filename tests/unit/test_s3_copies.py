"""Copies inside the bucket, whole and by parts. Strict S3, moto, `rclone serve s3`, as each test
says.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from jupyter_wherobots.errors import (
    AccessDenied,
    Cancelled,
    InvalidPath,
    NotFound,
    PreconditionFailed,
    StorageFailed,
    Unreachable,
)
from jupyter_wherobots.s3.client import S3
from jupyter_wherobots.s3.objects import absent, copy, head, matches, put
from tests.conftest import Endpoint, S3Environment
from tests.strict_s3 import Access, Call, Fault, StrictS3

CONTENT = bytes(range(251)) * 100  # 25,100 bytes: 26 parts of 1,000


@pytest.fixture
def s3(strict_s3: StrictS3, s3_env: S3Environment) -> Iterator[S3]:
    s3_env(strict_s3)
    strict_s3.limits.smallest_part_bytes = 1000
    client = S3(strict_s3.bucket)
    yield client
    client.close()


@pytest.fixture(params=["strict_s3", "moto_server", "rclone_server"])
def any_store(request: pytest.FixtureRequest, s3_env: S3Environment) -> Iterator[S3]:
    server: Endpoint = request.getfixturevalue(request.param)
    s3_env(server)
    client = S3(server.bucket)
    yield client
    client.close()


WHOLE_AND_BY_PARTS = pytest.mark.parametrize("limit", [100_000, 1000], ids=["whole", "parts"])


def test_a_copy_has_bytes_and_metadata_of_its_source(any_store: S3) -> None:
    """Strict S3, moto, rclone."""
    put(any_store, "a", CONTENT, metadata={"wherobots-x": "1"}, content_type="text/x")
    etag = copy(any_store, "a", "b/c")
    found = head(any_store, "b/c")
    assert (found.etag, found.size, found.metadata["wherobots-x"]) == (etag, len(CONTENT), "1")


def test_a_large_copy_has_bytes_and_metadata_of_its_source(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    put(s3, "a", CONTENT, metadata={"wherobots-x": "1"}, content_type="text/x")
    copied: list[int] = []
    etag = copy(s3, "a", "b", limit=1000, on_bytes=copied.append)
    found = head(s3, "b")
    assert (found.etag, found.metadata, found.content_type) == (
        etag,
        {"wherobots-x": "1"},
        "text/x",
    )
    assert strict_s3.body("b") == CONTENT
    assert sum(copied) == len(CONTENT)
    assert strict_s3.counts["UploadPartCopy"] == 26
    assert "GetObject" not in strict_s3.counts


@WHOLE_AND_BY_PARTS
def test_metadata_can_be_replaced(s3: S3, limit: int) -> None:
    """Strict S3."""
    put(s3, "a", CONTENT, metadata={"wherobots-x": "1"}, content_type="text/x")
    copy(s3, "a", "b", metadata={"wherobots-y": "2"}, limit=limit)
    found = head(s3, "b")
    assert (found.metadata, found.content_type) == ({"wherobots-y": "2"}, "binary/octet-stream")


@pytest.mark.parametrize(
    "key",
    [
        "a b",
        "%41",
        "+",
        "ü?",
        "u\u0308",
        "😀",
        "a//b",
        "../x",
        "/",
        "new\nline",
        "\x01",
        "&<>\"'",
        "a?versionId=x",
    ],
)
@WHOLE_AND_BY_PARTS
def test_every_key_can_be_copied_from_and_to(
    s3: S3, strict_s3: StrictS3, key: str, limit: int
) -> None:
    """Strict S3."""
    put(s3, key, CONTENT, metadata={})
    copy(s3, key, "middle", limit=limit)
    strict_s3.delete(key)
    if limit == 1000 and key == "\x01":
        with pytest.raises(InvalidPath):
            copy(s3, "middle", key, limit=limit)
        assert strict_s3.uploads() == []
        return
    copy(s3, "middle", key, limit=limit, condition=absent())
    assert strict_s3.body(key) == CONTENT


@WHOLE_AND_BY_PARTS
def test_only_the_version_that_is_meant_is_copied(s3: S3, strict_s3: StrictS3, limit: int) -> None:
    """Strict S3."""
    stale = strict_s3.put("a", CONTENT)
    strict_s3.put("a", CONTENT[::-1])
    with pytest.raises(PreconditionFailed):
        copy(s3, "a", "b", source_etag=stale, limit=limit)
    assert strict_s3.keys() == ["a"]
    assert strict_s3.uploads() == []


@WHOLE_AND_BY_PARTS
def test_the_condition_of_the_destination_is_s3s_to_decide(
    s3: S3, strict_s3: StrictS3, limit: int
) -> None:
    """Strict S3."""
    strict_s3.put("a", CONTENT)
    stale, current = strict_s3.put("b", b"1"), strict_s3.put("b", b"2")
    for condition in (absent(), matches(stale)):
        with pytest.raises(PreconditionFailed):
            copy(s3, "a", "b", condition=condition, limit=limit)
    assert strict_s3.body("b") == b"2"
    copy(s3, "a", "b", condition=matches(current), limit=limit)
    copy(s3, "a", "c", condition=absent(), limit=limit)
    assert strict_s3.body("b") == strict_s3.body("c") == CONTENT
    assert strict_s3.uploads() == []


def test_a_condition_is_not_left_over_for_the_next_request(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    strict_s3.put("a", CONTENT)
    copy(s3, "a", "b", condition=absent())
    copy(s3, "a", "b")
    with pytest.raises(NotFound):
        copy(s3, "missing", "b", size=1, condition=absent())
    copy(s3, "a", "b")


def test_a_source_that_changes_while_it_is_copied(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3. All parts are of one version, or there is no copy."""
    strict_s3.put("a", CONTENT)
    seen = 0

    def change(_: Call) -> None:
        nonlocal seen
        seen += 1
        if seen == 10:
            strict_s3.put("a", CONTENT[::-1])

    strict_s3.on("UploadPartCopy", change)
    with pytest.raises(PreconditionFailed):
        copy(s3, "a", "b", limit=1000)
    assert strict_s3.keys() == ["a"]
    assert strict_s3.uploads() == []


@WHOLE_AND_BY_PARTS
def test_a_source_that_is_missing(s3: S3, limit: int) -> None:
    """Strict S3."""
    with pytest.raises(NotFound):
        copy(s3, "a", "b", limit=limit)
    with pytest.raises(NotFound):
        copy(s3, "a", "b", size=50_000, limit=limit)


@WHOLE_AND_BY_PARTS
def test_a_denied_copy_leaves_nothing_behind(s3: S3, strict_s3: StrictS3, limit: int) -> None:
    """Strict S3."""
    strict_s3.put("a", CONTENT)
    strict_s3.deny("b", [Access.WRITE])
    with pytest.raises(AccessDenied):
        copy(s3, "a", "b", limit=limit)
    assert strict_s3.uploads() == []


@pytest.mark.parametrize("operation", ["UploadPartCopy", "CompleteMultipartUpload"])
def test_a_large_copy_that_fails_leaves_nothing_behind(
    s3: S3, strict_s3: StrictS3, operation: str
) -> None:
    """Strict S3."""
    strict_s3.put("a", CONTENT)
    strict_s3.fail(operation, code="InternalError", times=None)
    with pytest.raises(Unreachable):
        copy(s3.sibling(attempts=1), "a", "b", limit=1000)
    assert strict_s3.uploads() == []


def test_an_error_inside_a_200_is_an_error(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3. S3 begins its answer to a copy before it knows how it ends."""
    strict_s3.put("a", CONTENT)
    strict_s3.fail("CopyObject", Fault.ERROR_IN_200, times=None)
    with pytest.raises(Unreachable):
        copy(s3.sibling(attempts=1), "a", "b")


def test_a_copy_of_another_size_is_no_copy(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3, where another writer truncates the copy before it is looked at."""
    strict_s3.put("a", CONTENT)

    def truncate(call: Call) -> None:
        if call.key == "b":
            strict_s3.put("b", b"")

    strict_s3.on("HeadObject", truncate)
    with pytest.raises(StorageFailed):
        copy(s3, "a", "b")
    copy(s3, "a", "b", verify=False)


def test_a_lost_answer_is_no_refusal(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3. botocore's second try finds the key taken: by its first."""
    strict_s3.put("a", CONTENT)
    strict_s3.fail("CopyObject", Fault.RESET_AFTER)
    with pytest.raises(Unreachable, match="not known"):
        copy(s3, "a", "b", condition=absent())
    assert strict_s3.body("b") == CONTENT


def test_a_known_size_saves_the_look_at_the_source(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    etag = strict_s3.put("a", CONTENT)
    copy(s3, "a", "b", source_etag=etag, size=len(CONTENT), verify=False)
    assert strict_s3.counts == {"CopyObject": 1}


def test_stop_before_and_between(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    strict_s3.put("a", CONTENT)
    stop = threading.Event()
    with pytest.raises(Cancelled):
        copy(s3, "a", "b", limit=1000, stop=stop, on_bytes=lambda _: stop.set())
    assert strict_s3.keys() == ["a"]
    assert strict_s3.uploads() == []
    strict_s3.journal.clear()
    with pytest.raises(Cancelled):
        copy(s3, "a", "b", stop=stop)
    assert strict_s3.count() == 0


def test_what_is_no_key_is_refused(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    for source, key in (("", "b"), ("a", "")):
        with pytest.raises(InvalidPath):
            copy(s3, source, key)
    assert strict_s3.count() == 0


def test_five_gigabytes_are_copied_by_parts(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3, with an object that takes no memory."""
    size = 5 * 1024**3 + 1
    strict_s3.put_synthetic("a", size)
    copy(s3, "a", "b")
    found = strict_s3.object("b")
    assert found is not None
    assert len(found.body) == size
    assert strict_s3.counts["UploadPartCopy"] == 21
