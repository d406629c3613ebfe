"""Pages and walks. Strict S3, moto, `rclone serve s3`, as each test says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from jupyter_wherobots.errors import AccessDenied, BucketNotFound, StorageFailed, Throttled
from jupyter_wherobots.s3.client import S3
from jupyter_wherobots.s3.listing import page, walk
from jupyter_wherobots.s3.objects import put
from tests.canned import Canned
from tests.conftest import Endpoint, S3Environment, Server
from tests.strict_s3 import Access, StrictS3


@pytest.fixture
def s3(strict_s3: StrictS3, s3_env: S3Environment) -> Iterator[S3]:
    s3_env(strict_s3)
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


def test_folders_and_objects_of_a_page(any_store: S3) -> None:
    """Strict S3, moto, rclone."""
    etags = {key: put(any_store, key, key.encode(), metadata={}) for key in ("d/a", "d/e/b", "f")}
    found = page(any_store, "d/")
    assert found.prefixes == ("d/e/",)
    assert [(each.key, each.size, each.etag) for each in found.objects] == [
        ("d/a", 3, etags["d/a"])
    ]
    assert found.token is None
    age = datetime.now(timezone.utc) - found.objects[0].last_modified
    assert abs(age.total_seconds()) < 60


def test_all_below_a_prefix_whole_or_not(any_store: S3) -> None:
    """Strict S3, moto, rclone. A prefix is text: it need not end at a slash."""
    for key in ("d/a", "d/e/b", "da", "e"):
        put(any_store, key, b"", metadata={})
    assert [each.key for each in walk(any_store, "d/")] == ["d/a", "d/e/b"]
    assert [each.key for each in walk(any_store, "d")] == ["d/a", "d/e/b", "da"]


def test_an_empty_folder_is_an_empty_page(any_store: S3) -> None:
    """Strict S3, moto, rclone."""
    found = page(any_store, "nothing/")
    assert (found.prefixes, found.objects, found.token) == ((), (), None)


def test_pages_follow_each_other_without_gap_or_repeat(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    strict_s3.put_many({f"d/{number:03d}{'/x' * (number % 3 == 0)}": b"" for number in range(50)})
    seen, token, pages = [], None, 0
    while True:
        found = page(s3, "d/", limit=7, token=token)
        assert len(found.objects) + len(found.prefixes) <= 7
        seen += [*found.prefixes, *(each.key for each in found.objects)]
        token, pages = found.token, pages + 1
        if token is None:
            break
    assert sorted(seen) == [f"d/{number:03d}{'/' * (number % 3 == 0)}" for number in range(50)]
    assert pages == 8


def test_a_walk_may_begin_anywhere(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3, with pages of 10."""
    strict_s3.limits.page = 10
    strict_s3.put_many({f"{number:03d}": b"" for number in range(50)})
    keys = [each.key for each in walk(s3, "", start_after="007")]
    assert keys == [f"{number:03d}" for number in range(8, 50)]
    assert strict_s3.counts == {"ListObjectsV2": 5}


def test_a_walk_takes_a_page_at_a_time(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3, with a million generated keys: only what is looked at is asked for."""
    strict_s3.generate("d/", 1_000_000)
    keys = walk(s3, "d/")
    assert [next(keys).key for _ in range(1500)][-1] == "d/00001499.bin"
    assert strict_s3.counts == {"ListObjectsV2": 2}


KEYS = ["a\nb", "\x01", "\r", "a b+c", "%2B", "a//b", "/", "ü", "u\u0308", "<&>\"'", "😀", "\ufffe"]


def test_keys_and_folders_are_listed_as_they_are(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    strict_s3.put_many({f"d/{key}": b"" for key in KEYS} | {f"e/{key}|/x": b"" for key in KEYS})
    assert {each.key for each in walk(s3, "d/")} == {f"d/{key}" for key in KEYS}
    folders = {prefix for key in KEYS for prefix in page(s3, f"e/{key}|").prefixes}
    assert folders == {f"e/{key}|/" for key in KEYS}


def test_a_bucket_that_is_missing_or_closed_is_not_empty(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    with pytest.raises(BucketNotFound):
        page(S3("no-such-bucket"), "")
    strict_s3.deny(access=[Access.LIST])
    with pytest.raises(AccessDenied):
        list(walk(s3, ""))


def test_a_failure_in_the_middle_ends_the_walk(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3, with pages of 10. What was seen so far never looks like all there is."""
    strict_s3.limits.page = 10
    strict_s3.put_many({f"{number:03d}": b"" for number in range(50)})
    keys = walk(s3.sibling(attempts=1), "")
    assert next(keys).key == "000"
    strict_s3.fail("ListObjectsV2", code="SlowDown", times=None)
    with pytest.raises(Throttled):
        list(keys)


@pytest.mark.parametrize("body", [b"<html/>", b"", b"<html>Please sign in</html>"])
def test_what_is_no_listing_is_not_an_empty_one(s3_env: S3Environment, body: bytes) -> None:
    """A portal that answers everything with a page of its own."""
    with Canned(200, body, {"Content-Type": "text/html"}) as portal:
        s3_env(Server(portal.url, "bucket"))
        with pytest.raises(StorageFailed):
            page(S3("bucket", attempts=1), "")
