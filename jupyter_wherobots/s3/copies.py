"""Copies inside the bucket, made by S3 itself: whole, or part by part above what one CopyObject
takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .client import S3, Stop, check, extra_headers
from .keys import Condition, check_upload_key, condition_params, etag_header, strict_etag
from .multipart import MAX_PARTS, MIB, Part, aborting, checksums, complete

COPY_PART = 256 * MIB
"""Bytes of a part that S3 copies by itself: small enough to be done within the time for an answer.
"""

# botocore knows a copy's destination conditions since 1.40.66 only; S3 reads the same headers from
# any version.
_HEADERS = {"IfMatch": "If-Match", "IfNoneMatch": "If-None-Match"}
_CONTENT_HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
)


def copy_whole(
    s3: S3,
    source_key: str,
    key: str,
    *,
    source_etag: str | None,
    condition: Condition | None,
    metadata: Mapping[str, str] | None,
) -> str:
    """Copy with one CopyObject and give the ETag of the copy; see `objects.copy`."""
    params: dict[str, Any] = {}
    if metadata is not None:
        params |= {"Metadata": dict(metadata), "MetadataDirective": "REPLACE"}
    if source_etag:
        params["CopySourceIfMatch"] = etag_header(s3, source_etag)
    headers = {_HEADERS[name]: value for name, value in condition_params(s3, condition).items()}
    with s3.mapped("copy", source_key, once=condition is not None), extra_headers(headers):
        answer = s3.client.copy_object(
            Bucket=s3.bucket, Key=key, CopySource={"Bucket": s3.bucket, "Key": source_key}, **params
        )
    return strict_etag(answer.get("CopyObjectResult", {}).get("ETag"))


def copy_by_parts(
    s3: S3,
    source_key: str,
    key: str,
    *,
    source_etag: str | None,
    condition: Condition | None,
    metadata: Mapping[str, str] | None,
    part_size: int = COPY_PART,
    concurrency: int = 8,
    on_created: Callable[[str], None] | None = None,
    on_bytes: Callable[[int], None] | None = None,
    stop: Stop | None = None,
) -> tuple[str, int]:
    """Copy an object of any size by UploadPartCopy and give the ETag and the bytes; see
    `objects.copy`.

    What a CopyObject would keep is read from the source and set anew: metadata and content headers,
    unless ``metadata`` replaces both (tags are not copied). All parts are of one version:
    ``source_etag``, or the one that is there now.
    """
    check_upload_key(key)
    pinned = {"IfMatch": etag_header(s3, source_etag)} if source_etag else {}
    with s3.mapped("copy", source_key):
        source = s3.client.head_object(Bucket=s3.bucket, Key=source_key, **pinned)
    size = source["ContentLength"]
    version = etag_header(s3, strict_etag(source.get("ETag")))
    step = max(part_size, -(-size // MAX_PARTS))
    kept: dict[str, Any] = {"Metadata": dict(metadata or {})}
    if metadata is None:
        kept = {name: source[name] for name in ("Metadata", *_CONTENT_HEADERS) if source.get(name)}
    with s3.mapped("write", key):
        answer = s3.client.create_multipart_upload(Bucket=s3.bucket, Key=key, **kept)
    upload_id = str(answer["UploadId"])

    def copier(number: int, start: int, end: int) -> Callable[[Stop], Part]:
        def send(_: Stop) -> Part:
            with s3.mapped("copy", source_key):
                answer = s3.client.upload_part_copy(
                    Bucket=s3.bucket,
                    Key=key,
                    UploadId=upload_id,
                    PartNumber=number,
                    CopySource={"Bucket": s3.bucket, "Key": source_key},
                    CopySourceIfMatch=version,
                    CopySourceRange=f"bytes={start}-{end - 1}",
                )
            result = answer.get("CopyPartResult", {})
            return Part(number, strict_etag(result.get("ETag")), end - start, checksums(result))

        return send

    jobs = (
        copier(number, start, min(start + step, size))
        for number, start in enumerate(range(0, size, step), 1)
    )
    with aborting(s3, key, upload_id, stop) as crew:
        if on_created:
            on_created(upload_id)
        parts = crew.run(jobs, concurrency, on_bytes)
        check(stop)
        return complete(s3, key, upload_id, parts, condition=condition), size
