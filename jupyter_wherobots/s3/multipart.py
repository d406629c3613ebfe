"""Multipart uploads and copies: large files of the mirror, uploads of the browser part by part,
copies above 5 GB. All through boto3.

No more than `MEMORY` bytes of parts are held in the process at once, whatever the number of files
and threads.
"""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import unquote_plus

from ..errors import NotFound, StorageFailed, WherobotsError
from .client import S3, Stop, check
from .crew import BUFFERS, Crew
from .keys import (
    Condition,
    check_metadata,
    check_upload_key,
    condition_params,
    quoted,
    strict_etag,
)

__all__ = [
    "BUFFERS",
    "MAX_PARTS",
    "MIB",
    "MIN_PART",
    "PART",
    "Part",
    "Pending",
    "Readable",
    "abort",
    "aborting",
    "checksums",
    "complete",
    "create",
    "default_part_size",
    "list_parts",
    "list_uploads",
    "put_file",
    "put_part",
]

log = logging.getLogger(__name__)

MIB = 1024 * 1024
PART = 16 * MIB
"""Bytes of a part, unless the file would need more than 10,000 of them."""
MAX_PARTS = 10_000
MIN_PART = 5 * MIB
"""S3's smallest part, but for the last one."""
_ABORT_SECONDS = 3.0


def default_part_size(size: int) -> int:
    """Bytes of each part for a file of ``size`` bytes: 16 MiB, more in whole MiB above 160 GB."""
    return max(PART, -(-size // (MAX_PARTS * MIB)) * MIB)


class _Stopped(BaseException):
    """Raised out of the middle of a request; no Exception, since botocore would try the request
    again.
    """


class _Buffer(io.RawIOBase):
    """A part as a file, which ends the request that reads it once ``stop`` is set."""

    def __init__(self, body: bytes | bytearray | memoryview, stop: Stop | None) -> None:
        self._view = memoryview(body)
        self._stop = stop
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._stop is not None and self._stop.is_set():
            raise _Stopped
        size = min(len(buffer), len(self._view) - self._at)
        buffer[:size] = self._view[self._at : self._at + size]
        self._at += size
        return size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = (
            offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._view)}[whence]
        )
        return self._at

    def tell(self) -> int:
        return self._at


@dataclass(frozen=True)
class Part:
    """One part that S3 has. ``checksums`` are S3's own (``ChecksumCRC32``, …), which a Complete has
    to repeat.
    """

    number: int
    etag: str
    size: int
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pending:
    """An upload that was begun and is neither completed nor aborted."""

    key: str
    upload_id: str
    initiated: datetime


class Readable(Protocol):
    """A file to read from, front to back."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes, none at the end."""
        ...


# -- the single requests


def create(
    s3: S3, key: str, *, metadata: Mapping[str, str], content_type: str | None = None
) -> str:
    """Begin an upload and give its id. Those that an earlier try of this call began are aborted."""
    check_upload_key(key)
    check_metadata(metadata)
    typed = {"ContentType": content_type} if content_type else {}
    asked = time.monotonic()
    with s3.mapped("write", key):
        answer = s3.client.create_multipart_upload(
            Bucket=s3.bucket, Key=key, Metadata=dict(metadata), **typed
        )
    upload_id = str(answer["UploadId"])
    if answer["ResponseMetadata"].get("RetryAttempts"):
        _abort_twins(s3, key, upload_id, time.monotonic() - asked)
    return upload_id


def _abort_twins(s3: S3, key: str, upload_id: str, seconds: float) -> None:
    """Abort what botocore's first tries began, if S3 did it and the answer was lost: no one else knows its id.

    Only what was begun at this key within the ``seconds`` before ``upload_id``, by S3's own clock.
    """
    try:
        pending = [each for each in list_uploads(s3, key) if each.key == key]
        begun = [each.initiated for each in pending if each.upload_id == upload_id]
        # S3 tells whole seconds.
        since = begun[0] - timedelta(seconds=seconds + 1) if begun else None
        for each in pending:
            if since and each.upload_id != upload_id and each.initiated >= since:
                abort(s3, key, each.upload_id)
    except WherobotsError as error:
        log.warning("Cannot look for lost uploads of s3://%s/%s: %s", s3.bucket, key, error)


def put_part(
    s3: S3,
    key: str,
    upload_id: str,
    number: int,
    body: bytes | bytearray | memoryview,
    *,
    stop: Stop | None = None,
) -> Part:
    """Send part ``number`` (1 to 10,000; again: replaces it). With ``stop`` set it ends within one
    read. Raises NotFound for an upload that is gone.
    """
    check(stop)
    try:
        with s3.mapped("write", key):
            answer = s3.client.upload_part(
                Bucket=s3.bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=_Buffer(body, stop),
                ContentLength=len(body),
            )
    except _Stopped:
        check(stop)
        raise
    return Part(number, strict_etag(answer.get("ETag")), len(body), checksums(answer))


def complete(
    s3: S3, key: str, upload_id: str, parts: Sequence[Part], *, condition: Condition | None = None
) -> str:
    """Make the parts the object and give its ETag.

    Raises PreconditionFailed or Conflicted if the condition does not hold, NotFound for an upload
    that is gone, and Unreachable when the outcome is unknown: then look at the key.
    """
    listed = [
        {"PartNumber": part.number, "ETag": part.etag, **part.checksums}
        for part in sorted(parts, key=lambda part: part.number)
    ]
    with s3.mapped("write", key, once=True):
        answer = s3.client.complete_multipart_upload(
            Bucket=s3.bucket,
            Key=key,
            UploadId=upload_id,
            MultipartUpload={"Parts": listed},
            **condition_params(s3, condition),
        )
    return strict_etag(answer.get("ETag"))


def abort(s3: S3, key: str, upload_id: str) -> None:
    """Throw an upload and its parts away; one that is gone already is no error."""
    try:
        with s3.mapped("write", key):
            s3.client.abort_multipart_upload(Bucket=s3.bucket, Key=key, UploadId=upload_id)
    except NotFound:
        return


def list_parts(s3: S3, key: str, upload_id: str) -> tuple[Part, ...]:
    """The parts that S3 has, by number. Raises NotFound for an upload that is gone."""
    parts: list[Part] = []
    marker = 0
    while True:
        with s3.mapped("list", key):
            answer = s3.client.list_parts(
                Bucket=s3.bucket, Key=key, UploadId=upload_id, PartNumberMarker=marker
            )
        parts += (
            Part(each["PartNumber"], quoted(each["ETag"]), each["Size"], checksums(each))
            for each in answer.get("Parts", ())
        )
        if not answer.get("IsTruncated"):
            return tuple(parts)
        marker = int(answer["NextPartNumberMarker"])


def list_uploads(s3: S3, prefix: str) -> Iterator[Pending]:
    """All uploads under way below a prefix."""
    markers: dict[str, str] = {}
    while True:
        with s3.mapped("list", prefix):
            # Encoded, since one key that XML cannot write would make the whole answer unreadable.
            answer = s3.client.list_multipart_uploads(
                Bucket=s3.bucket, Prefix=prefix, EncodingType="url", **markers
            )
        decode = unquote_plus if answer.get("EncodingType") == "url" else str
        for each in answer.get("Uploads", ()):
            yield Pending(decode(each["Key"]), each["UploadId"], each["Initiated"])
        if not answer.get("IsTruncated"):
            return
        markers = {
            "KeyMarker": decode(answer["NextKeyMarker"]),
            "UploadIdMarker": answer["NextUploadIdMarker"],
        }


def checksums(answer: Mapping[str, Any]) -> dict[str, str]:
    """S3's checksums in an answer about a part."""
    return {
        name: value
        for name, value in answer.items()
        if name.startswith("Checksum") and name != "ChecksumType"
    }


# -- whole files


def put_file(
    s3: S3,
    key: str,
    fileobj: Readable,
    size: int,
    *,
    metadata: Mapping[str, str],
    condition: Condition | None = None,
    content_type: str | None = None,
    part_size: int | None = None,
    concurrency: int = 4,
    stop: Stop | None = None,
    on_bytes: Callable[[int], None] | None = None,
    on_created: Callable[[str], None] | None = None,
    before_complete: Callable[[], None] | None = None,
) -> str:
    """Upload ``size`` bytes by parts and give the ETag.

    The file is read front to back; parts travel in ``concurrency`` threads. ``on_created`` gets the
    upload's id before the first byte goes out, ``on_bytes`` the bytes of each part that arrived
    (from any thread, one at a time), ``before_complete`` may raise to call it off (the file has
    changed). Whatever fails, and when ``stop`` is set, the upload is aborted; if even that fails it
    is logged, and `list_uploads` finds it. Raises Cancelled, StorageFailed if the file is shorter
    or longer than ``size``, and what `complete` raises.
    """
    step = part_size or default_part_size(size)

    def jobs(crew: Crew[Part]) -> Iterator[Callable[[Stop], Part]]:
        left = size
        for number in range(1, max(1, -(-size // step)) + 1):
            wanted = min(step, left)
            BUFFERS.take(wanted, crew)
            try:
                body = _read_exactly(fileobj, wanted)
            except BaseException:
                BUFFERS.give(wanted)
                raise
            left -= wanted
            yield _sender(s3, key, upload_id, number, body)
        if fileobj.read(1):
            raise StorageFailed(
                f"The file for s3://{s3.bucket}/{key} has grown beyond {size} bytes."
            )

    check(stop)
    upload_id = create(s3, key, metadata=metadata, content_type=content_type)
    with aborting(s3, key, upload_id, stop) as crew:
        if on_created:
            on_created(upload_id)
        parts = crew.run(jobs(crew), concurrency, on_bytes)
        if before_complete:
            before_complete()
        check(stop)
        return complete(s3, key, upload_id, parts, condition=condition)


def _sender(s3: S3, key: str, upload_id: str, number: int, body: bytes) -> Callable[[Stop], Part]:
    def send(stop: Stop) -> Part:
        try:
            return put_part(s3, key, upload_id, number, body, stop=stop)
        finally:
            BUFFERS.give(len(body))

    return send


def _read_exactly(fileobj: Readable, size: int) -> bytes:
    body = fileobj.read(size)
    while len(body) < size:
        more = fileobj.read(size - len(body))
        if not more:
            raise StorageFailed(f"The file ended {size - len(body)} bytes early.")
        body += more
    return body


@contextmanager
def aborting(s3: S3, key: str, upload_id: str, stop: Stop | None) -> Iterator[Crew[Part]]:
    """Abort the upload if anything inside raises."""
    crew = Crew[Part](stop)
    try:
        yield crew
    except BaseException:
        _abort_surely(s3, key, upload_id)
        if crew.lingers():
            # A part that arrives after the abort would stay, and cost, for ever: abort again behind
            # the last one.
            threading.Thread(
                target=_abort_behind, args=(crew, s3, key, upload_id), daemon=True
            ).start()
        raise


def _abort_behind(crew: Crew[Part], s3: S3, key: str, upload_id: str) -> None:
    crew.join()
    _abort_surely(s3, key, upload_id)


def _abort_surely(s3: S3, key: str, upload_id: str) -> None:
    """Abort, three times if need be, within ten seconds; a failure is logged, since another error
    is already on its way.
    """
    hurried = s3.bounded(_ABORT_SECONDS)
    for pause in (0.0, 0.2, 0.4):
        time.sleep(pause)
        failure = _failure(abort, hurried, key, upload_id)
        if failure is None:
            return
    log.warning("Cannot abort the upload %s of s3://%s/%s: %s", upload_id, s3.bucket, key, failure)


def _failure(request: Callable[..., None], *args: Any) -> WherobotsError | None:
    try:
        request(*args)
    except WherobotsError as exc:
        return exc
    return None
