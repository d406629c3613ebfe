"""Operations on buckets, and the listings."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from tests.strict_s3 import listing, wire
from tests.strict_s3.calls import Call
from tests.strict_s3.clock import xml_date
from tests.strict_s3.errors import S3Error
from tests.strict_s3.http import Response
from tests.strict_s3.state import State
from tests.strict_s3.store import NULL_VERSION, Bucket, Upload, Version

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_OWNER = wire.group("Owner", wire.tag("ID", "0" * 64))


def list_buckets(state: State, call: Call) -> Response:
    """ListBuckets."""
    return wire.document(
        "ListAllMyBucketsResult",
        _OWNER,
        wire.group(
            "Buckets",
            *(
                wire.group("Bucket", wire.tag("Name", name), wire.tag("CreationDate", xml_date(0)))
                for name in sorted(state.buckets)
            ),
        ),
    )


def create_bucket(state: State, call: Call) -> Response:
    """CreateBucket: again is an error in every region but the oldest."""
    if not _BUCKET_NAME.fullmatch(call.bucket):
        raise S3Error("InvalidBucketName", BucketName=call.bucket)
    if call.bucket in state.buckets and state.region != "us-east-1":
        raise S3Error("BucketAlreadyOwnedByYou", BucketName=call.bucket)
    state.buckets.setdefault(call.bucket, Bucket(call.bucket))
    return Response(200, [("Location", f"/{call.bucket}")])


def delete_bucket(state: State, call: Call) -> Response:
    """DeleteBucket."""
    if not state.bucket(call.bucket).is_empty():
        raise S3Error("BucketNotEmpty", BucketName=call.bucket)
    del state.buckets[call.bucket]
    return Response(204)


def head_bucket(state: State, call: Call) -> Response:
    """HeadBucket."""
    state.bucket(call.bucket)
    return Response(200, [("x-amz-bucket-region", state.region)])


def get_location(state: State, call: Call) -> Response:
    """GetBucketLocation: us-east-1 has no name."""
    state.bucket(call.bucket)
    named = "" if state.region == "us-east-1" else wire.text(state.region)
    return wire.document("LocationConstraint", named)


def get_versioning(state: State, call: Call) -> Response:
    """GetBucketVersioning."""
    status = state.bucket(call.bucket).versioning
    return wire.document("VersioningConfiguration", wire.tag("Status", status) if status else "")


def put_versioning(state: State, call: Call) -> Response:
    """PutBucketVersioning: once enabled it can only be suspended."""
    status = wire.child(wire.parse(call.body, "VersioningConfiguration"), "Status")
    if status not in ("Enabled", "Suspended"):
        raise S3Error("MalformedXML")
    state.bucket(call.bucket).versioning = status
    return Response(200)


def _token(after: str) -> str:
    return base64.urlsafe_b64encode(b"1" + after.encode()).decode()


def _untoken(token: str) -> str:
    try:
        decoded = base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        decoded = ""
    if not decoded.startswith("1"):
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect")
    return decoded[1:]


def list_objects(state: State, call: Call) -> Response:
    """ListObjectsV2."""
    bucket, query = state.bucket(call.bucket), call.query
    if query["list-type"] != "2":
        raise S3Error("InvalidArgument", "Invalid List Type specified in Request")
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    token, start_after = query.get("continuation-token"), query.get("start-after", "")
    limit = wire.count(query, "max-keys", state.limits.page)
    encode = wire.encoder(query)
    after = _untoken(token) if token else start_after
    page = listing.page(
        bucket.from_key,
        lambda version: not version.is_delete_marker,
        prefix,
        delimiter,
        after,
        limit,
    )
    owner = _OWNER if query.get("fetch-owner") == "true" else ""
    return wire.document(
        "ListBucketResult",
        wire.tag("Name", call.bucket),
        wire.tag("Prefix", encode(prefix)),
        wire.tag("Delimiter", encode(delimiter)) if delimiter else "",
        wire.tag("MaxKeys", limit),
        wire.tag("EncodingType", "url") if "encoding-type" in query else "",
        wire.tag("KeyCount", len(page.versions) + len(page.prefixes)),
        wire.tag("IsTruncated", str(page.truncated).lower()),
        wire.tag("ContinuationToken", token) if token is not None else "",
        wire.tag("NextContinuationToken", _token(page.last)) if page.truncated else "",
        wire.tag("StartAfter", encode(start_after)) if start_after else "",
        *(_contents(encode(each.key), each, owner) for each in page.versions),
        wire.prefixes(page.prefixes, encode),
    )


def _contents(key: str, version: Version, owner: str) -> str:
    return (
        f"<Contents><Key>{wire.text(key)}</Key>"
        f"<LastModified>{xml_date(version.last_modified)}</LastModified>"
        f"<ETag>&quot;{version.etag}&quot;</ETag><Size>{len(version.body)}</Size>{owner}"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )


def list_versions(state: State, call: Call) -> Response:
    """ListObjectVersions: by key, newest first; pages go on inside of a key."""
    bucket, query = state.bucket(call.bucket), call.query
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    after, after_version = query.get("key-marker", ""), query.get("version-id-marker", "")
    limit = wire.count(query, "max-keys", state.limits.page)
    encode = wire.encoder(query)

    shown = _older(bucket.versions(after), after_version) if after_version else []
    page = listing.page(bucket.from_key, lambda version: True, prefix, delimiter, after, limit + 1)
    for each in page.versions:
        shown += bucket.versions(each.key)

    entries: list[tuple[str, Version | None]] = [(each.key, each) for each in shown]
    entries += [(group, None) for group in page.prefixes]
    entries.sort(key=lambda entry: entry[0])
    truncated, entries = len(entries) > limit, entries[:limit]
    newest = {key: bucket.versions(key)[0].version_id for key, each in entries if each}
    last_key, last = entries[-1] if entries else ("", None)
    return wire.document(
        "ListVersionsResult",
        wire.tag("Name", call.bucket),
        wire.tag("Prefix", encode(prefix)),
        wire.tag("KeyMarker", encode(after)),
        wire.tag("VersionIdMarker", after_version),
        wire.tag("MaxKeys", limit),
        wire.tag("Delimiter", encode(delimiter)) if delimiter else "",
        wire.tag("EncodingType", "url") if "encoding-type" in query else "",
        wire.tag("IsTruncated", str(truncated).lower()),
        wire.tag("NextKeyMarker", encode(last_key)) if truncated else "",
        wire.tag("NextVersionIdMarker", last.version_id) if truncated and last else "",
        *(
            _version(encode(key), each, newest[key] == each.version_id)
            for key, each in entries
            if each
        ),
        wire.prefixes([key for key, each in entries if each is None], encode),
    )


def _older(versions: list[Version], marker: str) -> list[Version]:
    """What comes after a version that may have been removed since the last page.

    The ids of later versions are greater; the null version may be anywhere, and is shown again.
    """
    ids = [each.version_id for each in versions]
    if marker in ids:
        return versions[ids.index(marker) + 1 :]
    return [
        each
        for each in versions
        if each.version_id < marker or NULL_VERSION in (each.version_id, marker)
    ]


def _version(key: str, version: Version, is_latest: bool) -> str:
    common = (
        wire.tag("Key", key),
        wire.tag("VersionId", version.version_id),
        wire.tag("IsLatest", str(is_latest).lower()),
        wire.tag("LastModified", xml_date(version.last_modified)),
        _OWNER,
    )
    if version.is_delete_marker:
        return wire.group("DeleteMarker", *common)
    return wire.group(
        "Version",
        *common,
        wire.tag("ETag", f'"{version.etag}"'),
        wire.tag("Size", len(version.body)),
        wire.tag("StorageClass", "STANDARD"),
    )


def list_uploads(state: State, call: Call) -> Response:
    """ListMultipartUploads: by key, then by time of creation."""
    bucket, query = state.bucket(call.bucket), call.query
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    after, after_id = query.get("key-marker", ""), query.get("upload-id-marker", "")
    limit = wire.count(query, "max-uploads", state.limits.page)
    encode = wire.encoder(query)
    shown: list[Upload] = []
    groups: list[str] = []
    truncated = False
    last: tuple[str, str] = ("", "")
    for upload in _uploads_after(bucket, after, after_id):
        if not upload.key.startswith(prefix):
            continue
        group = listing.common_prefix(upload.key, prefix, delimiter)
        if group is not None and (group in groups or group == after):
            continue
        if len(shown) + len(groups) == limit:
            truncated = True
            break
        if group is None:
            shown.append(upload)
            last = (upload.key, upload.upload_id)
        else:
            groups.append(group)
            last = (group, "")
    return wire.document(
        "ListMultipartUploadsResult",
        wire.tag("Bucket", call.bucket),
        wire.tag("KeyMarker", encode(after)),
        wire.tag("UploadIdMarker", after_id),
        wire.tag("NextKeyMarker", encode(last[0])) if truncated else "",
        wire.tag("NextUploadIdMarker", last[1]) if truncated else "",
        wire.tag("Prefix", encode(prefix)),
        wire.tag("Delimiter", encode(delimiter)) if delimiter else "",
        wire.tag("EncodingType", "url") if "encoding-type" in query else "",
        wire.tag("MaxUploads", limit),
        wire.tag("IsTruncated", str(truncated).lower()),
        *(
            wire.group(
                "Upload",
                wire.tag("Key", encode(upload.key)),
                wire.tag("UploadId", upload.upload_id),
                _OWNER,
                wire.tag("StorageClass", "STANDARD"),
                wire.tag("Initiated", xml_date(upload.initiated)),
            )
            for upload in shown
        ),
        wire.prefixes(groups, encode),
    )


def _uploads_after(bucket: Bucket, key: str, upload_id: str) -> Iterator[Upload]:
    # The dictionary keeps the order of creation, and sorting by key is stable.
    ordered = sorted(bucket.uploads.values(), key=lambda upload: upload.key)
    if not upload_id:
        return iter(upload for upload in ordered if upload.key > key)
    ids = [upload.upload_id for upload in ordered]
    if upload_id in ids:
        return iter(ordered[ids.index(upload_id) + 1 :])
    # The marker was completed or aborted meanwhile: all of the same key are shown (again).
    return iter(upload for upload in ordered if upload.key >= key)
