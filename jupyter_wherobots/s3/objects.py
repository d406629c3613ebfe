"""Single objects: put, get, head, copy, delete, each with its condition, for every key that S3
allows.

Bytes go through obstore. A key that obstore would refuse or change takes the same way through boto3
(`is_plain` tells them apart), and so does everything that obstore cannot say: conditional copies
and deletes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any

from ..errors import (
    AccessDenied,
    InvalidPath,
    InvalidRequest,
    NotFound,
    StorageFailed,
    Unreachable,
    WherobotsError,
)
from .client import S3, EtagForm, Stop, check, extra_headers
from .listing import etag as quoted

CHUNK = 1024 * 1024
"""Bytes in a piece of a download, but for the last."""

COPY_LIMIT = 5 * 1024**3
"""Bytes that one CopyObject takes at most."""

_MAX_KEY_BYTES = 1024
_DELETE_BATCH = 1000
_KNOWN_ATTRIBUTES = frozenset(
    (
        "Content-Disposition",
        "Content-Encoding",
        "Content-Language",
        "Content-Type",
        "Cache-Control",
        "Storage-Class",
    )
)


@dataclass(frozen=True)
class Condition:
    """What has to be true of a key for a request to be done; S3 itself decides. Made by `absent`
    and `matches`.
    """

    etag: str | None


def absent() -> Condition:
    """Only if there is no object at the key (``If-None-Match: *``)."""
    return Condition(None)


def matches(etag: str) -> Condition:
    """Only if the object at the key is this version (``If-Match``)."""
    return Condition(etag)


@dataclass(frozen=True)
class Head:
    """An object without its body. ``metadata``: the user's, names in lower case. ``last_modified``
    on S3's clock.
    """

    etag: str
    size: int
    metadata: Mapping[str, str]
    last_modified: datetime
    content_type: str | None = None


@dataclass(frozen=True)
class Failure:
    """One key that a batch could not handle, and why."""

    key: str
    error: WherobotsError


class Body:
    """An object being read; a context manager that gives its connection back.

    ``size`` is that of the whole object, ``start`` and ``end`` (exclusive) what of it is coming.
    ``chunks`` can be walked once; it raises Unreachable if the connection breaks or S3 sends fewer
    bytes than it announced, so that a short body never looks complete.
    """

    def __init__(
        self,
        head: Head,
        start: int,
        end: int,
        pieces: Iterator[bytes],
        close: Callable[[], None],
        s3: S3,
        key: str,
    ) -> None:
        self.head = head
        self.etag = head.etag
        self.size = head.size
        self.metadata = head.metadata
        self.last_modified = head.last_modified
        self.content_type = head.content_type
        self.start = start
        self.end = end
        self._pieces: Iterator[bytes] | None = pieces
        self._close = close
        self._s3 = s3
        self._key = key
        self.chunks: Iterator[bytes] = self._read()

    def _read(self) -> Iterator[bytes]:
        left = self.end - self.start
        while self._pieces is not None:
            with self._s3.mapped("read", self._key):
                piece = next(self._pieces, None)
            if piece is None:
                break
            left -= len(piece)
            if left < 0:
                break
            yield piece
        if left != 0:
            raise Unreachable(
                f"S3 did not send the announced {self.end - self.start} bytes of {_uri(self._s3, self._key)}."
            )

    def read(self) -> bytes:
        """All that is coming, as one buffer. Raises as ``chunks`` does."""
        return b"".join(self.chunks)

    def close(self) -> None:
        """Give the connection back; an unread rest is not fetched."""
        self._pieces = None
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


# -- keys, conditions, metadata
# --------------------------------------------------------------------------------------

_ODD_KEY = re.compile(r"[\x00-\x1f\x7f]|(?:^|/)(?:\.{0,2})(?:/|$)")


def is_plain(key: str) -> bool:
    """Whether obstore sends this key as it is: no control characters, no empty, ``.`` or ``..``
    segments, no slash at either end.
    """
    return _ODD_KEY.search(key) is None


def check_key(key: str) -> None:
    """Raise InvalidPath for what is no key: empty, over 1,024 bytes of UTF-8, or not unicode."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError as exc:
        raise InvalidPath(f"{key!r} is not valid unicode.") from exc
    if not 0 < size <= _MAX_KEY_BYTES:
        raise InvalidPath(f"S3 takes keys of 1 to {_MAX_KEY_BYTES} bytes; this one has {size}.")


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Raise InvalidRequest for metadata that HTTP headers do not carry unchanged: not printable
    ASCII, or with outer spaces.
    """
    for name, value in metadata.items():
        if not re.fullmatch(r"[a-z0-9._-]+", name):
            raise InvalidRequest(
                f"{name!r} is no name for metadata: lower-case ASCII letters, digits, '-', '.' and '_'."
            )
        if not re.fullmatch(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?|", value):
            raise InvalidRequest(
                f"The value of the metadata {name!r} is not printable ASCII without outer spaces."
            )


def etag_header(s3: S3, etag: str) -> str:
    """The ETag in the form that this store wants in If-Match."""
    return etag.strip('"') if s3.etag_form is EtagForm.UNQUOTED else etag


def condition_params(s3: S3, condition: Condition | None) -> dict[str, str]:
    """The condition as botocore's parameters."""
    if condition is None:
        return {}
    if condition.etag is None:
        return {"IfNoneMatch": "*"}
    return {"IfMatch": etag_header(s3, condition.etag)}


def _uri(s3: S3, key: str) -> str:
    return f"s3://{s3.bucket}/{key}"


# -- put, get, head
# --------------------------------------------------------------------------------------------------


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

    Raises PreconditionFailed when the condition does not hold, NotFound when it names an ETag and
    the key is gone (a store that answers 412 there too makes that PreconditionFailed), Conflicted
    when another writer was there at the same moment, and Unreachable when the outcome is unknown:
    it may have been written. Through boto3 (keys that are not plain) a lost answer is tried again,
    so there a PreconditionFailed can be about our own write.
    """
    check_key(key)
    check_metadata(metadata)
    with s3.mapped("write", key):
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
            return quoted(answer["ETag"])
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
        return quoted(result["e_tag"])


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

    The only condition a read can have is `matches`. Raises NotFound, PreconditionFailed,
    RangeNotSatisfiable.
    """
    check_key(key)
    if condition is not None and condition.etag is None:
        raise InvalidRequest("An object cannot be read on the condition that it is absent.")
    if byte_range is not None:
        start, end = byte_range
        if start < 0 or (end is not None and end <= start):
            raise InvalidRequest(f"{start} to {end} is not a range of bytes.")
    with s3.mapped("read", key):
        if not is_plain(key):
            return _get_odd(s3, key, condition, byte_range, chunk)
        import obstore

        options: dict[str, Any] = {}
        if condition is not None and condition.etag is not None:
            options["if_match"] = etag_header(s3, condition.etag)
        if byte_range is not None:
            start, end = byte_range
            options["range"] = {"offset": start} if end is None else (start, end)
        result = obstore.get(s3.store, key, options=options)  # type: ignore[arg-type]
        start, end = result.range
        return Body(_head(result), start, end, iter(result.stream(chunk)), _nothing, s3, key)


def _get_odd(
    s3: S3,
    key: str,
    condition: Condition | None,
    byte_range: tuple[int, int | None] | None,
    chunk: int,
) -> Body:
    params: dict[str, str] = condition_params(s3, condition)
    if byte_range is not None:
        start, end = byte_range
        params["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
    answer = s3.client.get_object(Bucket=s3.bucket, Key=key, **params)
    start, end, size = 0, answer["ContentLength"], answer["ContentLength"]
    if found := re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.get("ContentRange", "")):
        start, end, size = int(found[1]), int(found[2]) + 1, int(found[3])
    stream = answer["Body"]
    return Body(
        _head_of_answer(answer, size), start, end, stream.iter_chunks(chunk), stream.close, s3, key
    )


def _nothing() -> None:
    return None


def head(s3: S3, key: str) -> Head:
    """What an object is, without its body. Raises NotFound.

    The answer to a HEAD has no body and so no code: what is not a plain 404 is asked again as a GET
    of one byte, which says why.
    """
    check_key(key)
    reached = s3.reached
    try:
        with s3.mapped("read", key):
            if not is_plain(key):
                answer = s3.client.head_object(Bucket=s3.bucket, Key=key)
                return _head_of_answer(answer, answer["ContentLength"])
            import obstore

            return _head(obstore.get(s3.store, key, options={"head": True}))
    except (NotFound, AccessDenied, StorageFailed) as exc:
        if isinstance(exc, NotFound) and reached:
            raise
        with get(s3, key, byte_range=(0, 1)):
            raise


def _head(result: Any) -> Head:
    meta, attributes = result.meta, result.attributes
    return Head(
        quoted(meta["e_tag"]),
        meta["size"],
        {
            name.lower(): value
            for name, value in attributes.items()
            if name not in _KNOWN_ATTRIBUTES
        },
        meta["last_modified"],
        attributes.get("Content-Type"),
    )


def _head_of_answer(answer: Mapping[str, Any], size: int) -> Head:
    metadata = {name.lower(): value for name, value in answer["Metadata"].items()}
    return Head(
        quoted(answer["ETag"]), size, metadata, answer["LastModified"], answer.get("ContentType")
    )


# -- copy ------------------------------------------------------------------------------------------
# ------------------


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
    on_bytes: Callable[[int], None] | None = None,
    stop: Stop | None = None,
) -> str:
    """Copy inside the bucket, on the server, and give the ETag of the copy.

    ``source_etag``: only that version (without it, the one that is there now). ``condition``: of
    the destination. ``metadata`` replaces the source's; None keeps it. ``size`` saves the look at
    the source. Above ``limit`` bytes it is copied by parts, ``on_bytes`` told the bytes of each and
    ``stop`` asked between them (Cancelled; nothing is left behind). ``verify`` looks at the copy
    afterwards and raises StorageFailed if its size is not the source's. Raises NotFound and
    PreconditionFailed for either end.
    """
    from .multipart import COPY_PART, copy_parts

    check(stop)

    check_key(source_key)
    check_key(key)
    check_metadata(metadata or {})
    if size is None:
        source = head(s3, source_key)
        size = source.size
        source_etag = source_etag or source.etag
    if size > limit:
        etag, size = copy_parts(
            s3,
            source_key,
            key,
            source_etag=source_etag,
            condition=condition,
            metadata=metadata,
            part_size=min(limit, COPY_PART),
            stop=stop,
            on_bytes=on_bytes,
        )
    else:
        etag = _copy_whole(s3, source_key, key, source_etag, condition, metadata)
        if on_bytes:
            on_bytes(size)
    if verify and (found := head(s3, key)).size != size:
        raise StorageFailed(f"The copy {_uri(s3, key)} has {found.size} bytes instead of {size}.")
    return etag


def _copy_whole(
    s3: S3,
    source_key: str,
    key: str,
    source_etag: str | None,
    condition: Condition | None,
    metadata: Mapping[str, str] | None,
) -> str:
    params: dict[str, Any] = {}
    if metadata is not None:
        params |= {"Metadata": dict(metadata), "MetadataDirective": "REPLACE"}
    if source_etag:
        params["CopySourceIfMatch"] = etag_header(s3, source_etag)
    # botocore knows the destination's conditions since late 2025 only; S3 reads the same headers
    # from any version.
    names = {"IfMatch": "If-Match", "IfNoneMatch": "If-None-Match"}
    headers = {names[name]: value for name, value in condition_params(s3, condition).items()}
    with s3.mapped("copy", source_key), extra_headers(headers):
        answer = s3.client.copy_object(
            Bucket=s3.bucket, Key=key, CopySource={"Bucket": s3.bucket, "Key": source_key}, **params
        )
    return quoted(answer["CopyObjectResult"]["ETag"])


# -- delete ----------------------------------------------------------------------------------------
# ------------------

# XML 1.0 has no way to write these, so a DeleteObjects request cannot name such a key.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def delete(s3: S3, key: str, *, condition: Condition | None = None) -> None:
    """Delete one object. A key that does not exist is no error without a condition.

    Raises PreconditionFailed if the object is another version, and NotFound (from some stores
    PreconditionFailed) if it is gone.
    """
    check_key(key)
    with s3.mapped("delete", key):
        s3.client.delete_object(Bucket=s3.bucket, Key=key, **condition_params(s3, condition))


def delete_many(
    s3: S3, keys: Iterable[tuple[str, str | None]], *, stop: Stop | None = None
) -> list[Failure]:
    """Delete (key, ETag or None) pairs, 1,000 in a request, and give the ones that failed with the
    reason.

    A pair with an ETag is deleted only if it is that version, where the store honours it (`probe`
    tells for single deletes). A batch that fails as a whole is reported for each of its keys, and
    the others go on. ``stop`` is asked between requests; the rest is then left alone.
    """
    failures: list[Failure] = []
    batch: list[tuple[str, str | None]] = []
    for key, etag in keys:
        if stop is not None and stop.is_set():
            return failures
        if _NOT_XML.search(key):
            failures += _delete_alone(s3, key, etag)
            continue
        batch.append((key, etag))
        if len(batch) == _DELETE_BATCH:
            failures += _delete_batch(s3, batch)
            batch = []
    if batch and not (stop is not None and stop.is_set()):
        failures += _delete_batch(s3, batch)
    return failures


def _delete_alone(s3: S3, key: str, etag: str | None) -> list[Failure]:
    try:
        delete(s3, key, condition=matches(etag) if etag else None)
    except WherobotsError as exc:
        return [Failure(key, exc)]
    return []


def _delete_batch(s3: S3, batch: Sequence[tuple[str, str | None]]) -> list[Failure]:
    objects = [
        {"Key": key} | ({"ETag": etag_header(s3, etag)} if etag else {}) for key, etag in batch
    ]
    try:
        with s3.mapped("delete"):
            answer = s3.client.delete_objects(
                Bucket=s3.bucket, Delete={"Objects": objects, "Quiet": True}
            )
    except WherobotsError as exc:
        return [Failure(key, exc) for key, _ in batch]
    return [Failure(each["Key"], _item_error(s3, each)) for each in answer.get("Errors", ())]


def _item_error(s3: S3, item: Mapping[str, Any]) -> WherobotsError:
    from botocore.exceptions import ClientError

    answer: Any = {"Error": {"Code": item["Code"], "Message": item.get("Message", "")}}
    return s3.error(ClientError(answer, "DeleteObjects"), "delete", item["Key"])
