"""Multipart uploads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from tests.strict_s3 import checksums, conditions, wire
from tests.strict_s3.bodies import Body, Joined, Window
from tests.strict_s3.calls import Call
from tests.strict_s3.clock import xml_date
from tests.strict_s3.errors import S3Error
from tests.strict_s3.http import Response
from tests.strict_s3.objects import copy_source, kept_headers, metadata, version_header
from tests.strict_s3.state import State
from tests.strict_s3.store import Part, Upload, Version

_COPY_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


def create(state: State, call: Call) -> Response:
    """CreateMultipartUpload."""
    bucket = state.bucket(call.bucket)
    state.check_key(call.key)
    upload = Upload(
        upload_id=state.token(),
        key=call.key,
        initiated=state.clock.now(),
        metadata=metadata(state, call),
        headers=kept_headers(call),
    )
    bucket.uploads[upload.upload_id] = upload
    return wire.document(
        "InitiateMultipartUploadResult",
        wire.tag("Bucket", call.bucket),
        wire.tag("Key", call.key),
        wire.tag("UploadId", upload.upload_id),
    )


def _find(state: State, call: Call) -> Upload:
    upload = state.bucket(call.bucket).uploads.get(call.query["uploadId"])
    if upload is None or upload.key != call.key:
        raise S3Error("NoSuchUpload", UploadId=call.query["uploadId"])
    return upload


def _add_part(state: State, call: Call, body: Body, stated: Mapping[str, str]) -> Part:
    upload = _find(state, call)
    number = call.query.get("partNumber", "")
    if not number.isdigit() or not 1 <= int(number) <= state.limits.parts:
        raise S3Error(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {state.limits.parts}, inclusive",
        )
    if len(body) > state.limits.part_bytes:
        raise S3Error("EntityTooLarge", MaxSizeAllowed=str(state.limits.part_bytes))
    part = Part(int(number), state.token(), body, state.clock.now(), stated)
    upload.parts[part.number] = part
    return part


def upload_part(state: State, call: Call) -> Response:
    """UploadPart: a later part of the same number replaces an earlier one."""
    part = _add_part(state, call, call.body, checksums.named(call.headers))
    headers = [(checksums.HEADER + name, value) for name, value in part.checksums.items()]
    return Response(200, [("ETag", f'"{part.etag}"'), *headers])


def upload_part_copy(state: State, call: Call) -> Response:
    """UploadPartCopy, with x-amz-copy-source-range."""
    source = copy_source(state, call)
    start, stop = 0, len(source.body)
    if (wanted := call.headers.get("x-amz-copy-source-range")) is not None:
        found = _COPY_RANGE.fullmatch(wanted)
        if found is None:
            raise S3Error("InvalidArgument", "The x-amz-copy-source-range value must be a range")
        start, stop = int(found[1]), int(found[2]) + 1
        if not start < stop <= len(source.body):
            raise S3Error("InvalidRange", ActualObjectSize=str(len(source.body)))
    part = _add_part(state, call, Window(source.body, start, stop), {})
    return wire.document(
        "CopyPartResult",
        wire.tag("LastModified", xml_date(part.last_modified)),
        wire.tag("ETag", f'"{part.etag}"'),
    )


def complete(state: State, call: Call) -> Response:
    """CompleteMultipartUpload.

    The object's LastModified is the time the upload was created ("Working with object metadata").
    After it, or after an abort, the upload is gone: a second Complete is NoSuchUpload.
    """
    bucket = state.bucket(call.bucket)
    upload = _find(state, call)
    listed = [
        (wire.required(entry, "PartNumber"), wire.required(entry, "ETag"))
        for entry in wire.parse(call.body, "CompleteMultipartUpload").findall("Part")
    ]
    if not listed or not all(number.isdigit() for number, _ in listed):
        raise S3Error("MalformedXML")
    numbers = [int(number) for number, _ in listed]
    if any(first >= second for first, second in pairwise(numbers)):
        raise S3Error("InvalidPartOrder")
    parts = []
    for number, (_, etag) in zip(numbers, listed, strict=True):
        part = upload.parts.get(number)
        if part is None or part.etag != etag.strip('"'):
            raise S3Error("InvalidPart", PartNumber=str(number))
        parts.append(part)
    for part in parts[:-1]:
        if len(part.body) < state.limits.smallest_part_bytes:
            raise S3Error(
                "EntityTooSmall",
                PartNumber=str(part.number),
                ProposedSize=str(len(part.body)),
                MinSizeAllowed=str(state.limits.smallest_part_bytes),
            )
    body = Joined([part.body for part in parts])
    announced = call.headers.get("x-amz-mp-object-size")
    if announced is not None and announced != str(len(body)):
        raise S3Error("InvalidRequest", "The size of the object is not the one specified.")
    conditions.check_write(state.policy, bucket, call)
    version = Version(
        key=call.key,
        etag=f"{state.token()}-{len(parts)}",
        last_modified=upload.initiated,
        body=body,
        metadata=upload.metadata,
        headers=upload.headers,
        version_id=state.version_id(bucket),
    )
    bucket.add(version)
    del bucket.uploads[upload.upload_id]
    response = wire.document(
        "CompleteMultipartUploadResult",
        wire.tag("Bucket", call.bucket),
        wire.tag("Key", call.key),
        wire.tag("ETag", f'"{version.etag}"'),
    )
    response.headers += version_header(bucket, version)
    return response


def abort(state: State, call: Call) -> Response:
    """AbortMultipartUpload."""
    upload = _find(state, call)
    del state.bucket(call.bucket).uploads[upload.upload_id]
    return Response(204)


def list_parts(state: State, call: Call) -> Response:
    """ListParts, by number."""
    upload = _find(state, call)
    after = int(call.query.get("part-number-marker") or 0)
    limit = wire.count(call.query, "max-parts", state.limits.page)
    rest = [upload.parts[number] for number in sorted(upload.parts) if number > after]
    shown = rest[:limit]
    return wire.document(
        "ListPartsResult",
        wire.tag("Bucket", call.bucket),
        wire.tag("Key", call.key),
        wire.tag("UploadId", upload.upload_id),
        wire.tag("PartNumberMarker", after),
        wire.tag("NextPartNumberMarker", shown[-1].number if shown else 0),
        wire.tag("MaxParts", limit),
        wire.tag("IsTruncated", str(len(rest) > len(shown)).lower()),
        *(
            wire.group(
                "Part",
                wire.tag("PartNumber", part.number),
                wire.tag("LastModified", xml_date(part.last_modified)),
                wire.tag("ETag", f'"{part.etag}"'),
                wire.tag("Size", len(part.body)),
                *(wire.tag(f"Checksum{n.upper()}", v) for n, v in part.checksums.items()),
            )
            for part in shown
        ),
    )
