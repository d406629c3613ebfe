"""Single objects: put, get, head, copy, delete, each with its condition, for every key that S3
allows.

Bytes go through obstore. A key that obstore would refuse or change takes the same way through boto3
(`keys.is_plain` tells them apart), and so does everything that obstore cannot say: conditional
copies and deletes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any

from ..errors import (
    InvalidRequest,
    StorageError,
    StorageFailed,
    Throttled,
    Unreachable,
)
from .client import S3, Stop, check
from .deletes import Failure, delete, delete_many
from .failures import s3_code
from .keys import (
    Condition,
    absent,
    check_key,
    check_metadata,
    condition_params,
    etag_header,
    is_plain,
    matches,
    strict_etag,
)

__all__ = [
    "CHUNK",
    "COPY_LIMIT",
    "Body",
    "Condition",
    "Failure",
    "Head",
    "absent",
    "copy",
    "delete",
    "delete_many",
    "get",
    "head",
    "matches",
    "put",
]

CHUNK = 1024 * 1024
"""Bytes in a piece of a download, but for the last."""

COPY_LIMIT = 5 * 1024**3
"""Bytes that one CopyObject takes at most."""

# obstore mixes these with the user's metadata.
_ATTRIBUTES = frozenset(
    {
        "Cache-Control",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Language",
        "Content-Type",
        "Storage-Class",
    }
)


@dataclass(frozen=True)
class Head:
    """An object without its body.

    ``size`` is in bytes, ``metadata`` the user's with names in lower case, ``last_modified`` on
    S3's clock.
    """

    etag: str
    size: int
    metadata: Mapping[str, str]
    last_modified: datetime
    content_type: str | None = None


class Body:
    """An object being read; a context manager that gives its connection back.

    ``head`` is the object, also spelled out here (``size`` is the whole object's); ``start`` and
    ``end`` (exclusive) say what of it is coming. ``chunks`` can be walked once. It raises
    Unreachable if the connection breaks or S3 sends another number of bytes than it announced, so
    that a short body never looks complete.
    """

    def __init__(
        self,
        head: Head,
        span: tuple[int, int],
        chunks: Generator[bytes, None, None],
        close: Callable[[], None],
    ) -> None:
        self.head = head
        self.etag = head.etag
        self.size = head.size
        self.metadata = head.metadata
        self.last_modified = head.last_modified
        self.content_type = head.content_type
        self.start, self.end = span
        self.chunks: Iterator[bytes] = chunks
        self._generator = chunks
        self._close = close

    def read(self) -> bytes:
        """All that is coming, as one buffer. Raises as ``chunks`` does."""
        return b"".join(self.chunks)

    def close(self) -> None:
        """Give the connection back; an unread rest is not fetched."""
        # With the last reference to it, obstore's stream drops its connection.
        self._generator.close()
        self._close()

    def __enter__(self) -> Body:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _uri(s3: S3, key: str) -> str:
    return f"s3://{s3.bucket}/{key}"


# -- put, get, head


def put(
    s3: S3,
    key: str,
    body: bytes | bytearray | memoryview,
    *,
    metadata: Mapping[str, str],
    condition: Condition | None = None,
    content_type: str | None = None,
) -> str:
    """Write one object with one request (meant for up to 16 MiB) and give its ETag.

    Raises PreconditionFailed when the condition does not hold; NotFound when it names an ETag and
    the key is gone (on a store that answers 412 there too, PreconditionFailed); Conflicted when
    another writer was there at the same moment; Unreachable when the outcome is unknown: it may
    have been written.
    """
    check_key(key)
    check_metadata(metadata)
    with s3.mapped("write", key, once=condition is not None):
        if not is_plain(key):
            typed = {"ContentType": content_type} if content_type else {}
            answer = s3.client.put_object(
                Bucket=s3.bucket,
                Key=key,
                Body=bytes(body),
                Metadata=dict(metadata),
                **condition_params(s3, condition),
                **typed,
            )
            return strict_etag(answer.get("ETag"))
        import obstore

        attributes = dict(metadata)
        if content_type:
            attributes["Content-Type"] = content_type
        mode: Any = "overwrite"
        if condition is not None:
            mode = (
                "create" if condition.etag is None else {"e_tag": etag_header(s3, condition.etag)}
            )
        result = obstore.put(
            s3.store_for_put(len(body)),
            key,
            body,
            attributes=attributes,
            mode=mode,
            use_multipart=False,
        )
        return strict_etag(result["e_tag"])


def get(
    s3: S3,
    key: str,
    *,
    condition: Condition | None = None,
    byte_range: tuple[int, int | None] | None = None,
    chunk: int = CHUNK,
) -> Body:
    """Begin to read an object. ``byte_range`` is (start, end) with ``end`` exclusive, or None for
    the rest.

    `matches` is the only condition that a read can have. Raises NotFound, PreconditionFailed,
    RangeNotSatisfiable.
    """
    check_key(key)
    if condition is not None and condition.etag is None:
        raise InvalidRequest("An object cannot be read on the condition that it is absent.")
    if byte_range is not None and not _is_range(*byte_range):
        raise InvalidRequest(f"{byte_range} is not a range of bytes.")
    with s3.mapped("read", key):
        opened = None
        if is_plain(key) and not (byte_range and s3.ranges_through_boto3):
            opened = _open_plain(s3, key, condition, byte_range, chunk)
        if opened is None:
            opened = _open_odd(s3, key, condition, byte_range, chunk)
    head, span, pieces, close = opened
    if byte_range is not None and span[0] != byte_range[0]:
        close()
        raise StorageFailed(f"The store sends all of {_uri(s3, key)} for a range of it.")
    return Body(head, span, _counted(s3, key, span, pieces), close)


_Opened = tuple[Head, tuple[int, int], Iterator[bytes], Callable[[], None]]
_Range = tuple[int, "int | None"]


def _is_range(start: int, end: int | None) -> bool:
    return start >= 0 and (end is None or end > start)


def _open_plain(
    s3: S3, key: str, condition: Condition | None, byte_range: _Range | None, chunk: int
) -> _Opened | None:
    import obstore
    from obstore.exceptions import BaseError

    options: Any = {}
    if condition is not None and condition.etag is not None:
        options["if_match"] = etag_header(s3, condition.etag)
    if byte_range is not None:
        start, end = byte_range
        options["range"] = {"offset": start} if end is None else (start, end)
    try:
        result = obstore.get(s3.store, key, options=options)
    except BaseError as exc:
        code = s3_code(exc)
        if code == "NotPartial":
            # rclone sends the right bytes with the status of a whole body (200): boto3 does not mind.
            s3.ranges_through_boto3 = True
        elif code != "OddHeader":  # metadata that is not ASCII, which boto3 does not mind either
            raise
        return None
    return _head_of_result(result), result.range, iter(result.stream(chunk)), lambda: None


def _open_odd(
    s3: S3, key: str, condition: Condition | None, byte_range: _Range | None, chunk: int
) -> _Opened:
    params = condition_params(s3, condition)
    if byte_range is not None:
        start, end = byte_range
        params["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
    answer = s3.client.get_object(Bucket=s3.bucket, Key=key, **params)
    size = answer["ContentLength"]
    span = (0, size)
    if found := re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.get("ContentRange", "")):
        span, size = (int(found[1]), int(found[2]) + 1), int(found[3])
    stream = answer["Body"]
    try:
        head = _head_of_answer(answer, size)
    except StorageFailed:
        stream.close()
        raise
    return head, span, stream.iter_chunks(chunk), stream.close


def _counted(
    s3: S3, key: str, span: tuple[int, int], pieces: Iterator[bytes]
) -> Generator[bytes, None, None]:
    left = span[1] - span[0]
    while left >= 0:
        with s3.mapped("read", key):
            piece = next(pieces, None)
        if piece is None:
            break
        left -= len(piece)
        yield piece
    if left:
        raise Unreachable(
            f"S3 did not send the {span[1] - span[0]} bytes of {_uri(s3, key)} that it announced."
        )


def head(s3: S3, key: str) -> Head:
    """What an object is, without its body. Raises NotFound, AccessDenied.

    An answer to HEAD has no body, so it can say neither why it refuses nor who it comes from. Any
    refusal is therefore asked again as a GET: an absence that S3 itself does not confirm is none.
    """
    check_key(key)
    try:
        with s3.mapped("read", key):
            if not is_plain(key):
                answer = s3.client.head_object(Bucket=s3.bucket, Key=key)
                return _head_of_answer(answer, answer["ContentLength"])
            import obstore

            return _head_of_result(obstore.get(s3.store, key, options={"head": True}))
    except (Unreachable, Throttled):
        raise
    except StorageError:
        with get(s3, key) as body:
            return body.head


def _head_of_result(result: Any) -> Head:
    meta, attributes = result.meta, result.attributes
    metadata = {
        name.lower(): value for name, value in attributes.items() if name not in _ATTRIBUTES
    }
    return Head(
        strict_etag(meta["e_tag"]),
        meta["size"],
        metadata,
        meta["last_modified"],
        attributes.get("Content-Type"),
    )


def _head_of_answer(answer: Mapping[str, Any], size: int) -> Head:
    metadata = {name.lower(): value for name, value in answer["Metadata"].items()}
    return Head(
        strict_etag(answer.get("ETag")),
        size,
        metadata,
        answer["LastModified"],
        answer.get("ContentType"),
    )


# -- copy


def copy(
    s3: S3,
    source_key: str,
    key: str,
    *,
    source_etag: str | None = None,
    condition: Condition | None = None,
    metadata: Mapping[str, str] | None = None,
    size: int | None = None,
    limit: int = COPY_LIMIT,
    verify: bool = True,
    on_created: Callable[[str], None] | None = None,
    on_bytes: Callable[[int], None] | None = None,
    stop: Stop | None = None,
) -> str:
    """Copy inside the bucket, on the server, and give the ETag of the copy.

    ``source_etag``: only that version (without it, the one that is there now). ``condition``: of
    the destination. ``metadata`` replaces the source's and resets its content type; None keeps
    both. ``size`` saves a look at the source. Above ``limit`` bytes it is copied by parts;
    ``on_created`` is told the id of that upload, ``on_bytes`` the bytes that were copied, ``stop``
    asked between parts (Cancelled: nothing is left behind). ``verify`` looks at the copy
    afterwards. Raises NotFound and PreconditionFailed for either end, StorageFailed for a copy of
    another size than the source.
    """
    from .copies import COPY_PART, copy_by_parts, copy_whole

    check_key(source_key)
    check_key(key)
    check_metadata(metadata or {})
    check(stop)
    if size is None:
        source = head(s3, source_key)
        size, source_etag = source.size, source_etag or source.etag
    if size > limit:
        etag, size = copy_by_parts(
            s3,
            source_key,
            key,
            source_etag=source_etag,
            condition=condition,
            metadata=metadata,
            part_size=min(limit, COPY_PART),
            on_created=on_created,
            on_bytes=on_bytes,
            stop=stop,
        )
    else:
        etag = copy_whole(
            s3, source_key, key, source_etag=source_etag, condition=condition, metadata=metadata
        )
        if on_bytes:
            on_bytes(size)
    if verify and (found := head(s3, key)).size != size:
        raise StorageFailed(f"The copy {_uri(s3, key)} has {found.size} bytes instead of {size}.")
    return etag
