"""Upload sessions: any order, again, after a restart; the conflict rule at the end; nothing left behind."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from jupyter_wherobots.errors import (
    AccessDenied,
    AlreadyExists,
    Cancelled,
    ConfirmationRequired,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    TooLarge,
    Unreachable,
)
from jupyter_wherobots.storage.naming import Conflict
from jupyter_wherobots.storage.options import MAX_PARTS, MIN_PART, Options, part_size
from jupyter_wherobots.storage.uploads import Upload, part_count
from tests.conftest import S3Environment
from tests.stored import OWN, Stored
from tests.strict_s3 import Call, Fault, StrictS3

MIB = 1024 * 1024


@pytest.fixture
def stored(any_stored: Stored) -> Stored:
    return any_stored


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def send(stored: Stored, upload: Upload, body: bytes) -> None:
    step = upload.record.part_size
    for number in reversed(range(1, part_count(upload.record) + 1)):
        stored.storage.uploads.put_part(
            upload.record.id, number, body[(number - 1) * step : number * step]
        )


def body_of(stored: Stored, path: str) -> bytes:
    found: bytes = stored.boto.get_object(Bucket=stored.bucket, Key="org" + path)["Body"].read()
    return found


def unfinished(stored: Stored) -> int:
    return len(stored.boto.list_multipart_uploads(Bucket=stored.bucket).get("Uploads", []))


@pytest.mark.parametrize("size", [0, 1, MIN_PART - 1, MIN_PART, MIN_PART + 1, 2 * MIN_PART + 5])
def test_the_bytes_are_the_same(size: int, stored: Stored) -> None:
    uploads = stored.storage.uploads
    upload = uploads.create(OWN + "a b.csv", size, label="mine")
    assert [each.record.id for each in uploads.list()] == [upload.record.id]
    body = content(size)
    send(stored, upload, body)
    assert sum(part.size for part in uploads.get(upload.record.id).parts) == size
    entry = uploads.complete(upload.record.id)
    assert (entry.path, entry.size) == (OWN + "a b.csv", size)
    assert hashlib.sha256(body_of(stored, entry.path)).digest() == hashlib.sha256(body).digest()
    assert stored.storage.stat(entry.path).content_type == "text/csv"
    assert uploads.list() == []
    with pytest.raises(NotFound):
        uploads.get(upload.record.id)
    assert unfinished(stored) == 0


@pytest.mark.parametrize(
    ("size", "step"),
    [
        (0, 8),
        (1, 8),
        (MAX_PARTS * 8 * MIB, 8),
        (MAX_PARTS * 8 * MIB + 1, 9),
        (MAX_PARTS * 16 * MIB, 16),
    ],
)
def test_parts_are_as_small_as_s3_allows(size: int, step: int) -> None:
    assert part_size(size) == step * MIB
    assert -(-size // part_size(size)) <= MAX_PARTS


def test_a_session_goes_on_after_a_restart(stored: Stored) -> None:
    body = content(2 * MIN_PART + 9)
    first = stored.storage.uploads
    upload = first.create(OWN + "x", len(body), label="x:123")
    first.put_part(upload.record.id, 2, body[MIN_PART : 2 * MIN_PART])
    again = Stored(stored, stored.storage.home).storage.uploads
    (found,) = again.list()
    assert found.record.label == "x:123"
    parts = again.get(found.record.id).parts
    assert [part.number for part in parts] == [2]
    again.put_part(found.record.id, 1, body[:MIN_PART])
    with pytest.raises(InvalidRequest, match=r"all parts of .*: 3\."):
        again.complete(found.record.id)
    again.put_part(found.record.id, 3, body[2 * MIN_PART :])
    again.complete(found.record.id)
    assert body_of(stored, OWN + "x") == body


def test_a_part_has_its_number_and_its_size(strict: Stored, strict_s3: StrictS3) -> None:
    uploads = strict.storage.uploads
    session = uploads.create(OWN + "x", MIN_PART + 5).record.id
    for number, size in ((0, 5), (3, 5), (1, 5), (2, MIN_PART), (2, 4)):
        with pytest.raises(InvalidRequest):
            uploads.put_part(session, number, b"x" * size)
    assert strict_s3.count("UploadPart") == 0
    uploads.put_part(session, 2, b"wrong")
    uploads.put_part(session, 2, b"right")
    uploads.put_part(session, 1, content(MIN_PART))
    uploads.complete(session)
    assert strict_s3.body("org" + OWN + "x")[-5:] == b"right"


def test_the_name_is_judged_before_the_bytes_and_again_at_the_end(stored: Stored) -> None:
    uploads = stored.storage.uploads
    stored.put(OWN + "taken", b"old")
    with pytest.raises(AlreadyExists):
        uploads.create(OWN + "taken", 1)
    for number in (1, 2):  # two at once get two names
        upload = uploads.create(OWN + "taken", 1, Conflict.KEEP_BOTH)
        assert upload.record.path == OWN + f"taken ({number})"
    with pytest.raises(ConfirmationRequired):
        uploads.create("/spark-logs/x", 1)
    late = uploads.create(OWN + "late", 1)
    uploads.put_part(late.record.id, 1, b"n")
    stored.put(OWN + "late", b"theirs")
    with pytest.raises(AlreadyExists):
        uploads.complete(late.record.id)
    assert body_of(stored, OWN + "late") == b"theirs"
    etag = stored.boto.head_object(Bucket=stored.bucket, Key="org" + OWN + "late")["ETag"]
    stored.put(OWN + "late", b"theirs again")
    with pytest.raises(PreconditionFailed):
        uploads.complete(late.record.id, Conflict.REPLACE, etag)
    assert body_of(stored, OWN + "late") == b"theirs again"
    uploads.complete(late.record.id, Conflict.REPLACE)
    assert body_of(stored, OWN + "late") == b"n"


def test_a_race_at_the_end_replaces_nothing(strict: Stored, strict_s3: StrictS3) -> None:
    uploads = strict.storage.uploads
    session = uploads.create(OWN + "x", 1).record.id
    uploads.put_part(session, 1, b"n")

    def theirs(_: Call) -> None:
        strict_s3.put("org" + OWN + "x", b"theirs")

    strict_s3.on("CompleteMultipartUpload", theirs, times=1)
    with pytest.raises(AlreadyExists):
        uploads.complete(session)
    assert strict_s3.body("org" + OWN + "x") == b"theirs"


def test_too_large_is_refused_at_once(strict: Stored, strict_s3: StrictS3) -> None:
    with pytest.raises(TooLarge) as refused:
        strict.storage.uploads.create(OWN + "x", Options().upload_limit + 1)
    assert "AWS CLI" in refused.value.hint
    assert strict_s3.count() == 0


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.ERROR_AFTER])
def test_a_lost_answer_at_the_end_is_still_a_success(
    fault: Fault, strict: Stored, strict_s3: StrictS3
) -> None:
    uploads = strict.storage.uploads
    session = uploads.create(OWN + "x", 1).record.id
    uploads.put_part(session, 1, b"n")
    strict_s3.fail("CompleteMultipartUpload", fault, times=1)
    assert uploads.complete(session).size == 1
    assert uploads.list() == []


def test_s3_down_at_the_end_leaves_the_session(strict: Stored, strict_s3: StrictS3) -> None:
    uploads = strict.storage.uploads
    session = uploads.create(OWN + "x", 1).record.id
    uploads.put_part(session, 1, b"n")
    strict_s3.fail("CompleteMultipartUpload", code="InternalError", times=None)
    with pytest.raises(Unreachable):
        uploads.complete(session)
    strict_s3.heal()
    assert uploads.complete(session).size == 1


def test_an_upload_aborted_elsewhere_is_told_as_such(strict: Stored) -> None:
    uploads = strict.storage.uploads
    upload = uploads.create(OWN + "x", 1)
    strict.boto.abort_multipart_upload(
        Bucket=strict.bucket, Key=upload.record.key, UploadId=upload.record.upload_id
    )
    with pytest.raises(NotFound, match="no unfinished upload"):
        uploads.put_part(upload.record.id, 1, b"n")
    assert uploads.list() == []


def test_stopping_a_part_ends_it_within_a_second(strict: Stored, strict_s3: StrictS3) -> None:
    uploads = strict.storage.uploads
    session = uploads.create(OWN + "x", MIN_PART).record.id
    stop = threading.Event()
    stop.set()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        uploads.put_part(session, 1, content(MIN_PART), stop)
    assert time.monotonic() - began < 1
    uploads.abort(session)
    assert unfinished(strict) == 0


def test_the_janitor_aborts_what_nobody_continues_also_of_a_killed_server(stored: Stored) -> None:
    uploads = stored.storage.uploads
    old = uploads.create(OWN + "old", 1).record.id
    new = uploads.create(OWN + "new", 1).record.id
    other = stored.boto.create_multipart_upload(Bucket=stored.bucket, Key="org" + OWN + "spark")
    state = stored.storage.home.parent / f"{stored.storage.home.name}-state" / "uploads"
    long_ago = time.time() - Options().upload_age - 60
    os.utime(state / f"{old}.json", (long_ago, long_ago))
    (state / "broken.json").write_text("{")
    janitor = Stored(stored, stored.storage.home).storage.uploads  # of the next server
    assert janitor.sweep() == 1
    assert [upload.record.id for upload in janitor.list()] == [new]
    left = stored.boto.list_multipart_uploads(Bucket=stored.bucket)["Uploads"]
    assert {each["UploadId"] for each in left} == {
        other["UploadId"],
        janitor.record(new).upload_id,
    }


def test_the_janitor_tries_again_when_s3_is_back(strict: Stored, strict_s3: StrictS3) -> None:
    uploads = Stored(strict_s3, strict.storage.home, options=Options(upload_age=0)).storage.uploads
    uploads.create(OWN + "x", 1)
    strict_s3.fail("AbortMultipartUpload", code="AccessDenied", times=None)
    assert uploads.sweep() == 0
    strict_s3.heal()
    assert uploads.sweep() == 1
    assert unfinished(strict) == 0


def test_sessions_work_where_nothing_can_be_remembered(
    strict_s3: StrictS3, s3_env: S3Environment, tmp_path: Path
) -> None:
    s3_env(strict_s3)
    (tmp_path / "home-state").write_text("a file where the directory should be")
    stored = Stored(strict_s3, tmp_path / "home")
    uploads = stored.storage.uploads
    upload = uploads.create(OWN + "x", 1)
    uploads.put_part(upload.record.id, 1, b"n")
    assert len(uploads.list()) == 1
    uploads.complete(upload.record.id)
    assert uploads.list() == []
    stored.close()


def test_a_session_of_another_place_is_not_shown(strict: Stored, strict_s3: StrictS3) -> None:
    session = strict.storage.uploads.create(OWN + "x", 1).record.id
    other = Stored(strict_s3, strict.storage.home, user="xyz")
    assert other.storage.uploads.list() == []
    with pytest.raises(NotFound):
        other.storage.uploads.get(session)
    for trick in ("../x", "", "x" * 32, session.upper()):
        with pytest.raises(NotFound):
            strict.storage.uploads.get(trick)
    other.close()


def test_a_failing_part_says_what_s3_said(strict: Stored, strict_s3: StrictS3) -> None:
    uploads = strict.storage.uploads
    session = uploads.create(OWN + "x", 1).record.id
    strict_s3.fail("UploadPart", code="AccessDenied", times=1)
    with pytest.raises(AccessDenied, match="may list but not write"):
        uploads.put_part(session, 1, b"n")
    uploads.put_part(session, 1, b"n")
    assert uploads.complete(session).size == 1
