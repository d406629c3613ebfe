"""Multipart uploads."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from itertools import pairwise
from xml.etree.ElementTree import Element

from tests.strict_s3 import checksums, conditions, wire
from tests.strict_s3.bodies import Body, Joined, Window
from tests.strict_s3.calls import Call
from tests.strict_s3.clock import xml_date
from tests.strict_s3.conditions import Quirk
from tests.strict_s3.errors import S3Error
from tests.strict_s3.http import Response
from tests.strict_s3.objects import copy_source, kept_headers, made_version_header, metadata
from tests.strict_s3.state import State
from tests.strict_s3.store import Bucket, Part, Upload, Version

# The kinds of checksum that an object made of parts may have, the default first ("Checking object
# integrity").
_KINDS = {
    "crc32": ("COMPOSITE", "FULL_OBJECT"),
    "crc32c": ("COMPOSITE", "FULL_OBJECT"),
    "crc64nvme": ("FULL_OBJECT",),
    "sha1": ("COMPOSITE",),
    "sha256": ("COMPOSITE",),
}
_COPY_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


def create(state: State, call: Call) -> Response:
    """CreateMultipartUpload."""
    bucket = state.bucket(call.bucket)
    state.check_key(call.key)
    algorithm = call.headers.get("x-amz-checksum-algorithm", "").lower()
    if algorithm and algorithm not in checksums.ALGORITHMS:
        raise S3Error("InvalidRequest", "Checksum algorithm provided is unsupported.")
    kind = call.headers.get("x-amz-checksum-type", _KINDS.get(algorithm, ("",))[0])
    if kind not in _KINDS.get(algorithm, ("",)):
        raise S3Error(
            "InvalidRequest", f"The {kind} checksum type cannot be used with {algorithm.upper()}."
        )
    upload = Upload(
        upload_id=state.token(),
        key=call.key,
        initiated=state.clock.now(),
        metadata=metadata(state, call),
        headers=kept_headers(call),
        algorithm=algorithm,
        is_composite=kind == "COMPOSITE",
    )
    bucket.uploads[upload.upload_id] = upload
    response = wire.document(
        "InitiateMultipartUploadResult",
        wire.tag("Bucket", call.bucket),
        wire.tag("Key", call.key),
        wire.tag("UploadId", upload.upload_id),
    )
    if algorithm:
        response.headers.append(("x-amz-checksum-algorithm", algorithm.upper()))
        response.headers.append(("x-amz-checksum-type", kind))
    return response


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
    """UploadPart: a later part of the same number replaces an earlier one.

    The checksum must be of the algorithm that the upload was created with, and must be there if
    that of the object is made of them. An upload created without one takes any.
    """
    upload, stated = _find(state, call), checksums.named(call.headers)
    actual = next(iter(stated), "null")
    if upload.algorithm and actual != upload.algorithm and (stated or upload.is_composite):
        raise S3Error(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.algorithm}, "
            f"actual checksum Type: {actual}",
        )
    part = _add_part(state, call, call.body, stated)
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
    Then the upload is gone; the same request again gets the same answer (see
    Quirk.FORGETS_COMPLETED_UPLOADS).
    """
    bucket = state.bucket(call.bucket)
    done = bucket.completed.get(call.query["uploadId"])
    forgets = Quirk.FORGETS_COMPLETED_UPLOADS in state.policy.quirks
    if done is not None and done.key == call.key and not forgets:
        return _completed(call, bucket, done)
    upload = _find(state, call)
    parts = _chosen(state, upload, wire.parse(call.body, "CompleteMultipartUpload"))
    body = Joined([part.body for part in parts])
    announced = call.headers.get("x-amz-mp-object-size")
    if announced is not None and announced != str(len(body)):
        raise S3Error("InvalidRequest", "The size of the object is not the one specified.")
    checksum = _object_checksum(upload, parts, body, checksums.named(call.headers))
    conditions.check_write(state.policy, bucket, call)
    version = Version(
        key=call.key,
        etag=f"{state.token()}-{len(parts)}",
        last_modified=upload.initiated,
        body=body,
        metadata=upload.metadata,
        headers=upload.headers,
        checksums=checksum,
        version_id=state.version_id(bucket),
    )
    bucket.add(version)
    del bucket.uploads[upload.upload_id]
    bucket.completed[upload.upload_id] = version
    return _completed(call, bucket, version)


def _completed(call: Call, bucket: Bucket, version: Version) -> Response:
    response = wire.document(
        "CompleteMultipartUploadResult",
        wire.tag("Bucket", call.bucket),
        wire.tag("Key", call.key),
        wire.tag("ETag", f'"{version.etag}"'),
        *(wire.tag(f"Checksum{n.upper()}", v) for n, v in version.checksums.items()),
        wire.tag("ChecksumType", kind) if (kind := checksums.kind(version.checksums)) else "",
    )
    response.headers += made_version_header(bucket, version)
    return response


def _chosen(state: State, upload: Upload, request: Element) -> list[Part]:
    """The parts that a Complete lists, in its order. Raises S3Error if it may not list them so."""
    entries = request.findall("Part")
    numbers = [wire.required(entry, "PartNumber") for entry in entries]
    if not entries or not all(number.isdigit() for number in numbers):
        raise S3Error("MalformedXML")
    if any(first >= second for first, second in pairwise(map(int, numbers))):
        raise S3Error("InvalidPartOrder")
    parts = []
    for number, entry in zip(numbers, entries, strict=True):
        part = upload.parts.get(int(number))
        if part is None or part.etag != wire.required(entry, "ETag").strip('"'):
            raise S3Error("InvalidPart", PartNumber=number)
        _check_listed(upload, part, entry)
        parts.append(part)
    for part in parts[:-1]:
        if len(part.body) < state.limits.smallest_part_bytes:
            raise S3Error(
                "EntityTooSmall",
                PartNumber=str(part.number),
                ProposedSize=str(len(part.body)),
                MinSizeAllowed=str(state.limits.smallest_part_bytes),
            )
    return parts


def _check_listed(upload: Upload, part: Part, entry: Element) -> None:
    """The checksums that a Complete repeats of a part."""
    for name in checksums.ALGORITHMS:
        listed = wire.child(entry, f"Checksum{name.upper()}")
        if listed is not None and listed != part.checksums.get(name):
            raise S3Error("InvalidPart", PartNumber=str(part.number))
        if listed is None and name == upload.algorithm and upload.is_composite:
            raise S3Error(
                "InvalidRequest",
                f"The upload was created using a {name} checksum. The complete request must "
                f"include the checksum for each part. It was missing for part {part.number} in "
                "the request.",
            )


def _object_checksum(
    upload: Upload, parts: list[Part], body: Body, stated: Mapping[str, str]
) -> dict[str, str]:
    """The checksum of the object, compared with the one that the Complete states."""
    name = upload.algorithm
    if not name or (not upload.is_composite and name not in stated):
        # S3 would compute one of its own (CRC64NVME, of the whole), which no client here asks for.
        return {}
    digest = checksums.ALGORITHMS[name]
    if upload.is_composite:
        of_parts = b"".join(checksums.decoded(part.checksums[name]) for part in parts)
        actual = f"{base64.b64encode(digest(of_parts)).decode()}-{len(parts)}"
    else:
        actual = base64.b64encode(digest(body[:])).decode()
    if stated.get(name, actual) != actual:
        raise S3Error("BadDigest", f"The {name} you specified did not match the calculated one.")
    return {name: actual}


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
