"""Deleting one object or thousands. Strict S3, moto, `rclone serve s3`, as each test says."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from jupyter_wherobots.errors import (
    AccessDenied,
    InvalidPath,
    NotFound,
    PreconditionFailed,
    StorageFailed,
    Unreachable,
)
from jupyter_wherobots.s3.client import S3, EtagForm
from jupyter_wherobots.s3.objects import delete, delete_many, matches, put
from tests.canned import Canned
from tests.conftest import Endpoint, S3Environment, Server
from tests.strict_s3 import Access, Quirk, StrictS3


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


ODD = [
    "a//b",
    "/",
    "..",
    "new\nline",
    "\r",
    "\x01",
    "\x0b",
    "\ufffe",
    "\uffff",
    "&#10;<>",
    "é 😀+%",
]


def test_one_is_deleted_and_a_missing_one_is_no_error(any_store: S3) -> None:
    """Strict S3, moto, rclone."""
    put(any_store, "key", b"", metadata={})
    delete(any_store, "key")
    delete(any_store, "key")


@pytest.mark.parametrize("key", ["key", *ODD])
def test_only_the_version_that_is_meant_is_deleted(s3: S3, strict_s3: StrictS3, key: str) -> None:
    """Strict S3."""
    stale = put(s3, key, b"1", metadata={})
    current = put(s3, key, b"2", metadata={})
    with pytest.raises(PreconditionFailed):
        delete(s3, key, condition=matches(stale))
    assert strict_s3.body(key) == b"2"
    delete(s3, key, condition=matches(current))
    assert strict_s3.keys() == []
    with pytest.raises(NotFound):
        delete(s3, key, condition=matches(current))


def test_a_store_that_wants_unquoted_etags_gets_them(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3 with a quirk of Ceph."""
    strict_s3.quirks.add(Quirk.WANTS_ETAG_UNQUOTED)
    etags = [put(s3, key, b"", metadata={}) for key in "abc"]
    with pytest.raises(PreconditionFailed):
        delete(s3, "a", condition=matches(etags[0]))
    unquoted = s3.sibling(etag_form=EtagForm.UNQUOTED)
    delete(unquoted, "a", condition=matches(etags[0]))
    assert delete_many(unquoted, zip("bc", etags[1:], strict=True)) == []
    assert strict_s3.keys() == []


def test_thousands_take_a_request_a_thousand(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    keys = [f"{number:05d}" for number in range(2500)]
    strict_s3.put_many(dict.fromkeys(keys, b""))
    deleted: list[int] = []
    assert delete_many(s3, ((key, None) for key in keys), on_deleted=deleted.append) == []
    assert strict_s3.keys() == []
    assert strict_s3.counts == {"DeleteObjects": 3}
    assert deleted == [1000, 1000, 500]


def test_missing_keys_count_as_deleted(any_store: S3) -> None:
    """Strict S3, moto, rclone."""
    put(any_store, "a", b"", metadata={})
    assert delete_many(any_store, [("a", None), ("missing", None)]) == []


def test_nothing_to_delete_is_no_request(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    assert delete_many(s3, []) == []
    assert strict_s3.count() == 0


def test_keys_that_xml_cannot_write_are_deleted_alone(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3. The others keep to one request."""
    etags = {key: put(s3, key, b"", metadata={}) for key in ODD}
    strict_s3.journal.clear()
    assert delete_many(s3, etags.items()) == []
    assert strict_s3.keys() == []
    assert strict_s3.counts == {"DeleteObject": 4, "DeleteObjects": 1}


def test_each_failure_names_its_key_and_stops_nothing(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    stale = put(s3, "changed", b"1", metadata={})
    put(s3, "changed", b"2", metadata={})
    for key in ("fine", "denied/x", "odd\x01"):
        put(s3, key, b"", metadata={})
    strict_s3.deny("denied/", [Access.DELETE])
    pairs = [("changed", stale), ("denied/x", None), ("fine", None), ("odd\x01", '"other"')]
    failures = {failure.key: failure.error for failure in delete_many(s3, pairs)}
    assert {key: type(error) for key, error in failures.items()} == {
        "changed": PreconditionFailed,
        "denied/x": AccessDenied,
        "odd\x01": PreconditionFailed,
    }
    assert "denied/x" in failures["denied/x"].message
    assert strict_s3.keys() == ["changed", "denied/x", "odd\x01"]


def test_a_request_that_fails_is_told_for_its_keys_and_the_next_goes_on(
    s3: S3, strict_s3: StrictS3
) -> None:
    """Strict S3."""
    keys = [f"{number:05d}" for number in range(1500)]
    strict_s3.put_many(dict.fromkeys(keys, b""))
    strict_s3.fail("DeleteObjects", code="InternalError", times=1)
    failures = delete_many(s3.sibling(attempts=1), [(key, None) for key in keys])
    assert [failure.key for failure in failures] == keys[:1000]
    assert {type(failure.error) for failure in failures} == {Unreachable}
    assert strict_s3.keys() == keys[:1000]


def test_what_the_store_does_not_confirm_has_failed(s3_env: S3Environment) -> None:
    """A portal that answers everything with a page of its own."""
    with Canned(200, b"<html/>") as portal:
        s3_env(Server(portal.url, "bucket"))
        failures = delete_many(S3("bucket", attempts=1), [("a", None), ("b", None)])
    assert [failure.key for failure in failures] == ["a", "b"]
    assert {type(failure.error) for failure in failures} == {StorageFailed}


def test_stop_leaves_the_rest_alone(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    keys = [f"{number:05d}" for number in range(3000)]
    strict_s3.put_many(dict.fromkeys(keys, b""))
    stop = threading.Event()
    assert (
        delete_many(s3, [(key, None) for key in keys], on_deleted=lambda _: stop.set(), stop=stop)
        == []
    )
    assert strict_s3.keys() == keys[1000:]


def test_what_is_no_key_is_refused(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    for request in (lambda: delete(s3, ""), lambda: delete_many(s3, [("", None)])):
        with pytest.raises(InvalidPath):
            request()
    assert strict_s3.count() == 0
