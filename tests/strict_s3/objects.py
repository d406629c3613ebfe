"""Operations on objects, each a function of the state and the call."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote

from tests.strict_s3 import checksums, conditions, wire
from tests.strict_s3.bodies import Window
from tests.strict_s3.calls import Call
from tests.strict_s3.clock import http_date, xml_date
from tests.strict_s3.conditions import Access, Quirk
from tests.strict_s3.errors import S3Error
from tests.strict_s3.http import Response
from tests.strict_s3.state import State
from tests.strict_s3.store import NULL_VERSION, Bucket, Version

_META = "x-amz-meta-"
_KEPT_HEADERS = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def metadata(state: State, call: Call) -> dict[str, str]:
    """The user's metadata of a request, without the x-amz-meta- of the names.

    Raises S3Error MetadataTooLarge: the limit is of the UTF-8 bytes of all names and values.
    """
    found = {
        name[len(_META) :]: value for name, value in call.headers.items() if name.startswith(_META)
    }
    size = sum(len(name.encode()) + len(value.encode()) for name, value in found.items())
    if size > state.limits.metadata_bytes:
        raise S3Error(
            "MetadataTooLarge", Size=str(size), MaxSizeAllowed=str(state.limits.metadata_bytes)
        )
    return found


def kept_headers(call: Call) -> dict[str, str]:
    """The headers that a later GET gives back; aws-chunked is the transport's, not the object's."""
    found = {name: call.headers[name] for name in _KEPT_HEADERS if name in call.headers}
    found.setdefault("content-type", "binary/octet-stream")
    encodings = [each.strip() for each in found.pop("content-encoding", "").split(",")]
    if kept := [each for each in encodings if each not in ("", "aws-chunked")]:
        found["content-encoding"] = ", ".join(kept)
    return found


def version_header(bucket: Bucket, version: Version) -> list[tuple[str, str]]:
    """x-amz-version-id of a read: only of buckets that are or were versioned."""
    return [] if bucket.versioning is None else [("x-amz-version-id", version.version_id)]


def made_version_header(bucket: Bucket, version: Version) -> list[tuple[str, str]]:
    """x-amz-version-id of a write: not while versioning is suspended."""
    return version_header(bucket, version) if bucket.versioning == "Enabled" else []


def put_object(state: State, call: Call) -> Response:
    """PutObject."""
    bucket = state.bucket(call.bucket)
    state.check_key(call.key)
    if len(call.body) > state.limits.put_bytes:
        raise S3Error("EntityTooLarge", MaxSizeAllowed=str(state.limits.put_bytes))
    user_metadata = metadata(state, call)
    conditions.check_write(state.policy, bucket, call)
    version = Version(
        key=call.key,
        etag=state.token(),
        last_modified=state.clock.now(),
        body=call.body,
        metadata=user_metadata,
        headers=kept_headers(call),
        checksums=checksums.named(call.headers),
        version_id=state.version_id(bucket),
    )
    bucket.add(version)
    headers = [("ETag", f'"{version.etag}"'), *made_version_header(bucket, version)]
    return Response(200, headers + checksums.headers(version.checksums))


def get_object(state: State, call: Call) -> Response:
    """GetObject, with Range and conditions."""
    response, version = _read(state, call)
    if response.status == 304:
        return response
    start, stop = 0, len(version.body)
    if (wanted := _RANGE.fullmatch(call.headers.get("range", ""))) and wanted[0] != "bytes=-":
        start, stop = _range(wanted[1], wanted[2], stop)
        response.status = 206
        response.headers.append(("Content-Range", f"bytes {start}-{stop - 1}/{len(version.body)}"))
    else:
        response.headers += _checksum_headers(call, version)
    whole = stop - start == len(version.body)
    response.body = version.body if whole else Window(version.body, start, stop)
    return response


def head_object(state: State, call: Call) -> Response:
    """HeadObject: the same headers as GetObject, no body, so errors have no code either."""
    response, version = _read(state, call)
    response.headers += _checksum_headers(call, version)
    response.announced = len(version.body)
    return response


def _checksum_headers(call: Call, version: Version) -> list[tuple[str, str]]:
    if call.headers.get("x-amz-checksum-mode", "").upper() != "ENABLED":
        return []
    return checksums.headers(version.checksums)


def _range(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(int(last) + 1 if last else size, size)
    if start >= stop:
        raise S3Error("InvalidRange", ActualObjectSize=str(size))
    return start, stop


def _read(state: State, call: Call) -> tuple[Response, Version]:
    bucket = state.bucket(call.bucket)
    if "partNumber" in call.query:
        raise S3Error("NotImplemented")
    version = state.find(bucket, call)
    unchanged = conditions.check_read(call, version)
    headers = [
        ("ETag", f'"{version.etag}"'),
        ("Last-Modified", http_date(version.last_modified)),
        *version_header(bucket, version),
    ]
    if unchanged:
        return Response(304, headers), version
    kept = {name.title(): value for name, value in version.headers.items()}
    for name, value in call.query.items():
        if name.startswith("response-"):
            kept[name.removeprefix("response-").title()] = value
    headers += kept.items()
    headers.append(("Accept-Ranges", "bytes"))
    headers += [(_META + name, value) for name, value in version.metadata.items()]
    return Response(200, headers), version


def copy_source(state: State, call: Call) -> Version:
    """The version that x-amz-copy-source names, if it may be read and its conditions hold."""
    name, _, query = call.headers["x-amz-copy-source"].partition("?")
    bucket_name, _, key = unquote(name).removeprefix("/").partition("/")
    bucket = state.bucket(bucket_name)
    version_id = unquote(query.removeprefix("versionId=")) if query else None
    state.policy.require(Access.READ, key)
    wanted = {"versionId": version_id} if version_id else {}
    source = state.find(bucket, replace(call, key=key, query=wanted))
    conditions.check_copy_source(state.policy, call, source)
    return source


def copy_object(state: State, call: Call) -> Response:
    """CopyObject: a new version with a new ETag, even if the bytes are the same."""
    bucket = state.bucket(call.bucket)
    state.check_key(call.key)
    source = copy_source(state, call)
    if len(source.body) > state.limits.copy_bytes:
        raise S3Error(
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy "
            f"source: {state.limits.copy_bytes}",
        )
    directive = call.headers.get("x-amz-metadata-directive", "COPY")
    if directive not in ("COPY", "REPLACE"):
        raise S3Error("InvalidArgument", "Unknown metadata directive.")
    replaced = directive == "REPLACE"
    current = bucket.current(call.key)
    onto_itself = current is not None and current.etag == source.etag
    if not replaced and onto_itself:
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself "
            "without changing the object's metadata.",
        )
    user_metadata = metadata(state, call) if replaced else source.metadata
    conditions.check_write(state.policy, bucket, call)
    version = Version(
        key=call.key,
        etag=state.token(),
        last_modified=state.clock.now(),
        body=source.body,
        metadata=user_metadata,
        headers=kept_headers(call) if replaced else source.headers,
        # S3 computes a new one where that of the source was made of parts; none is kept here.
        checksums={n: value for n, value in source.checksums.items() if "-" not in value},
        version_id=state.version_id(bucket),
    )
    bucket.add(version)
    response = wire.document(
        "CopyObjectResult",
        wire.tag("LastModified", xml_date(version.last_modified)),
        wire.tag("ETag", f'"{version.etag}"'),
    )
    response.headers += made_version_header(bucket, version)
    return response


def delete_object(state: State, call: Call) -> Response:
    """DeleteObject: 204 whether or not the key was there, unless a condition says otherwise."""
    bucket = state.bucket(call.bucket)
    state.check_key(call.key)
    if any(name.startswith("x-amz-if-match-") for name in call.headers):
        # Of directory buckets only.
        raise S3Error("NotImplemented")
    version_id = call.query.get("versionId")
    match = call.headers.get("if-match")
    conditions.check_delete(state.policy, bucket, call.key, match, version_id)
    gone = remove(state, bucket, call.key, version_id)
    headers = []
    if gone is not None and bucket.versioning is not None:
        headers.append(("x-amz-version-id", gone.version_id))
        if gone.is_delete_marker:
            headers.append(("x-amz-delete-marker", "true"))
    return Response(204, headers)


def remove(state: State, bucket: Bucket, key: str, version_id: str | None) -> Version | None:
    """Remove a version for good or, in a versioned bucket, put a delete marker on top.

    Returns the version that is gone or the marker that was made.
    """
    if version_id is not None:
        return bucket.remove(key, version_id)
    if bucket.versioning is None:
        return bucket.remove(key, NULL_VERSION)
    marker = Version(
        key=key,
        etag="",
        last_modified=state.clock.now(),
        version_id=state.version_id(bucket),
        is_delete_marker=True,
    )
    bucket.add(marker)
    return marker


def delete_objects(state: State, call: Call) -> Response:
    """DeleteObjects: each key has its own fate, told in a 200."""
    bucket = state.bucket(call.bucket)
    if "content-md5" not in call.headers and not checksums.named(call.headers):
        raise S3Error(
            "InvalidRequest",
            "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
        )
    request = wire.parse(call.body, "Delete")
    objects = request.findall("Object")
    if not 0 < len(objects) <= state.limits.deletes:
        raise S3Error("MalformedXML")
    quiet = wire.child(request, "Quiet") == "true"
    results = []
    for entry in objects:
        key, version_id = wire.required(entry, "Key"), wire.child(entry, "VersionId")
        etag = wire.child(entry, "ETag")
        if Quirk.IGNORES_ETAGS_IN_DELETE_OBJECTS in state.policy.quirks:
            etag = None
        try:
            state.policy.require(Access.DELETE, key)
            state.check_key(key)
            conditions.check_delete(state.policy, bucket, key, etag, version_id)
        except S3Error as error:
            results.append(
                wire.group(
                    "Error",
                    wire.tag("Key", key),
                    wire.tag("Code", error.code),
                    wire.tag("Message", error.message),
                )
            )
            continue
        gone = remove(state, bucket, key, version_id)
        if not quiet:
            results.append(_deleted(key, version_id, gone))
    return wire.document("DeleteResult", *results)


def _deleted(key: str, version_id: str | None, gone: Version | None) -> str:
    parts = [wire.tag("Key", key)]
    if version_id is not None:
        parts.append(wire.tag("VersionId", version_id))
    if gone is not None and gone.is_delete_marker:
        parts.append(wire.tag("DeleteMarker", "true"))
        parts.append(wire.tag("DeleteMarkerVersionId", gone.version_id))
    return wire.group("Deleted", *parts)
