"""What the probe finds on stores of every kind. Strict S3 with and without quirks, moto, `rclone
serve s3`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_wherobots.errors import AccessDenied, BucketNotFound, Throttled, Unreachable
from jupyter_wherobots.s3.client import S3, EtagForm
from jupyter_wherobots.s3.listing import walk
from jupyter_wherobots.s3.multipart import list_uploads
from jupyter_wherobots.s3.objects import matches, put
from jupyter_wherobots.s3.probe import probe
from tests.conftest import S3Environment, Server
from tests.strict_s3 import CEPH_RGW, RCLONE, Access, Fault, Operation, Quirk, StrictS3

KEY = "org/notebooks/customer-abc/.wherobots/probe"
ALL = {
    "put_if_none_match",
    "put_if_match",
    "delete_if_match",
    "copy_if_none_match",
    "complete_if_none_match",
    "complete_if_match",
}


@pytest.fixture
def s3(strict_s3: StrictS3, s3_env: S3Environment) -> Iterator[S3]:
    s3_env(strict_s3)
    client = S3(strict_s3.bucket)
    yield client
    client.close()


def kept(s3: S3) -> set[str]:
    """The conditions that the store keeps, once it is seen that the probe left nothing behind."""
    found = probe(s3, KEY)
    assert list(walk(s3, "")) == []
    assert list(list_uploads(s3, "")) == []
    conditions = {name for name in ALL if getattr(found, name)}
    assert len(found.notes) == len(ALL - conditions)
    assert found.etag_form is s3.etag_form
    return conditions


def test_s3_keeps_every_condition(s3: S3) -> None:
    """Strict S3."""
    assert kept(s3) == ALL
    assert s3.etag_form is EtagForm.QUOTED


@pytest.mark.parametrize(
    ("quirk", "broken"),
    [
        (Quirk.IGNORES_IF_MATCH_ON_PUT, {"put_if_match", "complete_if_match"}),
        (Quirk.IGNORES_IF_MATCH_ON_DELETE, {"delete_if_match"}),
        (
            Quirk.IGNORES_IF_NONE_MATCH,
            {"put_if_none_match", "copy_if_none_match", "complete_if_none_match"},
        ),
        (Quirk.IGNORES_COPY_CONDITIONS, {"copy_if_none_match"}),
        (Quirk.REFUSES_IF_MATCH, {"put_if_match", "complete_if_match", "delete_if_match"}),
        (Quirk.WANTS_ETAG_UNQUOTED, set()),
    ],
)
def test_each_quirk_is_found(s3: S3, strict_s3: StrictS3, quirk: Quirk, broken: set[str]) -> None:
    """Strict S3 with one quirk. Always refusing is as bad as never refusing."""
    strict_s3.quirks.add(quirk)
    assert kept(s3) == ALL - broken


def test_ceph_wants_its_etags_unquoted(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3 with Ceph's quirks. What was found is in force at once."""
    strict_s3.quirks.update(CEPH_RGW)
    assert kept(s3) == ALL - {"delete_if_match"}
    assert s3.etag_form is EtagForm.UNQUOTED
    etag = put(s3, "key", b"", metadata={})
    put(s3, "key", b"2", metadata={}, condition=matches(etag))


def test_ceph_with_versions_keeps_almost_nothing(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3 with Ceph's quirks on a versioned bucket."""
    strict_s3.quirks.update(CEPH_RGW)
    strict_s3.set_versioning()
    assert kept(s3) == set()
    assert s3.etag_form is EtagForm.QUOTED


def test_versions_are_no_hindrance(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3 on a versioned bucket."""
    strict_s3.set_versioning()
    assert kept(s3) == ALL


def test_rclone_as_it_is_told_of(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3 with rclone's quirks."""
    strict_s3.quirks.update(RCLONE)
    assert kept(s3) == set()


def test_rclone_as_it_is(rclone_server: Server, s3_env: S3Environment) -> None:
    """rclone."""
    s3_env(rclone_server)
    assert kept(S3(rclone_server.bucket)) == set()


def test_moto_as_it_is(moto_server: Server, s3_env: S3Environment) -> None:
    """moto, which keeps more of them with every year, but not these two."""
    s3_env(moto_server)
    found = kept(S3(moto_server.bucket))
    assert "put_if_none_match" in found
    assert not found & {"copy_if_none_match", "complete_if_match"}


def test_what_an_earlier_probe_left_does_not_matter(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    strict_s3.put(KEY)
    strict_s3.put(KEY + "-copy")
    assert kept(s3) == ALL


@pytest.mark.parametrize("access", [Access.WRITE, Access.DELETE])
def test_a_role_that_may_not_write_is_told_so(s3: S3, strict_s3: StrictS3, access: Access) -> None:
    """Strict S3."""
    strict_s3.deny(access=[access])
    with pytest.raises(AccessDenied):
        probe(s3, KEY)
    assert strict_s3.uploads() == []


def test_a_bucket_that_is_not_there(s3: S3) -> None:
    """Strict S3."""
    with pytest.raises(BucketNotFound):
        probe(S3("no-such-bucket"), KEY)


@pytest.mark.parametrize(
    "operation",
    ["PutObject", "DeleteObject", "CopyObject", "CompleteMultipartUpload", "UploadPart"],
)
@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_failure_that_may_pass_is_no_verdict(
    s3: S3, strict_s3: StrictS3, operation: str, fault: Fault, nth: int
) -> None:
    """Strict S3. Above all, the second try of a request that was done is no refusal."""
    seen = 0

    def strike(_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == nth:
            strict_s3.fail(operation, fault)

    strict_s3.on(operation, strike)
    # A fault that is set while a request is on its way strikes the next one of its kind.
    try:
        conditions = kept(s3)
    except Unreachable:
        strict_s3.heal()
        assert strict_s3.keys() == []
        assert strict_s3.uploads() == []
        conditions = kept(s3)
    assert conditions == ALL


@pytest.mark.parametrize("seed", range(5))
def test_a_bad_day_keeps_no_store_from_its_verdict(s3: S3, strict_s3: StrictS3, seed: int) -> None:
    """Strict S3, at which one request of seventeen fails in some way."""
    for number, fault in enumerate((Fault.ERROR, Fault.RESET_BEFORE, Fault.RESET_AFTER)):
        strict_s3.fail(None, fault, times=None, probability=0.02, seed=3 * seed + number)
    found = probe(s3, KEY)
    assert {name for name in ALL if getattr(found, name)} == ALL


def test_a_conflict_is_tried_again(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    strict_s3.fail(
        Operation.PUT_OBJECT, code="ConditionalRequestConflict", conditional=True, times=3
    )
    assert kept(s3) == ALL


def test_a_store_that_asks_to_slow_down_is_not_judged(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    strict_s3.fail("PutObject", code="SlowDown", conditional=True, times=None)
    with pytest.raises(Throttled):
        probe(s3, KEY)
    assert strict_s3.keys() == []
