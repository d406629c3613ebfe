"""What S3 allows: permissions, preconditions, and the ways in which other stores get these wrong.

Sources: the Amazon S3 User Guide, "Conditional requests", "Conditional writes" and "Conditional
deletes", and the API Reference of PutObject, CompleteMultipartUpload, CopyObject, DeleteObject.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum

from tests.strict_s3.calls import Call, Operation
from tests.strict_s3.errors import S3Error
from tests.strict_s3.store import Bucket, Version


class Quirk(str, Enum):
    """How stores that are not S3 treat conditional requests (all seen in the field)."""

    IGNORES_IF_MATCH_ON_PUT = "ignores-if-match-on-put"
    IGNORES_IF_MATCH_ON_DELETE = "ignores-if-match-on-delete"
    IGNORES_IF_NONE_MATCH = "ignores-if-none-match"
    IGNORES_COPY_CONDITIONS = "ignores-copy-conditions"
    IGNORES_ETAGS_IN_DELETE_OBJECTS = "ignores-etags-in-delete-objects"
    # 412 always, even for the right ETag.
    REFUSES_IF_MATCH = "refuses-if-match"
    # Right only without its quotes; S3 itself takes both forms.
    WANTS_ETAG_UNQUOTED = "wants-etag-unquoted"
    # What Ceph does in a versioned bucket, on top of the others.
    BLIND_IF_VERSIONED = "blind-if-versioned"
    # A CompleteMultipartUpload that is repeated is NoSuchUpload; S3 answers as it did the first
    # time, for a while (adobe/S3Mock issue 2586, minio issue 13318, both measured on S3).
    FORGETS_COMPLETED_UPLOADS = "forgets-completed-uploads"


CEPH_RGW = frozenset(
    {Quirk.IGNORES_IF_MATCH_ON_DELETE, Quirk.WANTS_ETAG_UNQUOTED, Quirk.BLIND_IF_VERSIONED}
)
RCLONE = frozenset(
    {
        Quirk.IGNORES_IF_MATCH_ON_PUT,
        Quirk.IGNORES_IF_MATCH_ON_DELETE,
        Quirk.IGNORES_IF_NONE_MATCH,
        Quirk.IGNORES_COPY_CONDITIONS,
        Quirk.IGNORES_ETAGS_IN_DELETE_OBJECTS,
    }
)


class Access(str, Enum):
    """What a permission is about; the values are the actions that S3's messages name."""

    LIST = "s3:ListBucket"
    READ = "s3:GetObject"
    WRITE = "s3:PutObject"
    DELETE = "s3:DeleteObject"


ACCESS = {
    Operation.LIST_OBJECTS_V2: Access.LIST,
    Operation.LIST_OBJECT_VERSIONS: Access.LIST,
    Operation.LIST_MULTIPART_UPLOADS: Access.LIST,
    Operation.HEAD_BUCKET: Access.LIST,
    Operation.GET_OBJECT: Access.READ,
    Operation.HEAD_OBJECT: Access.READ,
    Operation.PUT_OBJECT: Access.WRITE,
    Operation.COPY_OBJECT: Access.WRITE,
    Operation.CREATE_MULTIPART_UPLOAD: Access.WRITE,
    Operation.UPLOAD_PART: Access.WRITE,
    Operation.UPLOAD_PART_COPY: Access.WRITE,
    Operation.COMPLETE_MULTIPART_UPLOAD: Access.WRITE,
    Operation.DELETE_OBJECT: Access.DELETE,
}


@dataclass(frozen=True)
class Denial:
    """A role's missing permission: `access` on every key, or listed prefix, under `prefix`."""

    access: frozenset[Access]
    prefix: str = ""


@dataclass
class Policy:
    """Who may do what, and which rules of S3 are broken on purpose."""

    denials: list[Denial]
    quirks: set[Quirk]

    def allows(self, access: Access, key: str) -> bool:
        """Whether no denial speaks against it."""
        return not any(
            access in denial.access and key.startswith(denial.prefix) for denial in self.denials
        )

    def require(self, access: Access, key: str) -> None:
        """Raises S3Error AccessDenied."""
        if not self.allows(access, key):
            raise S3Error(
                "AccessDenied",
                "User: arn:aws:sts::000000000000:assumed-role/test/session is not authorized to "
                f"perform: {access.value} on this resource because no identity-based policy "
                f"allows the {access.value} action",
            )

    def missing(self, key: str, code: str = "NoSuchKey") -> S3Error:
        """Who may not list is not told that a key is missing, but that access is denied."""
        if self.allows(Access.LIST, key):
            return S3Error(code, Key=key)
        return S3Error("AccessDenied")


def same_etag(stated: str, version: Version) -> bool:
    """Whether an ETag, quoted or not, is that of a version."""
    return stated.strip().strip('"') == version.etag


def _right(policy: Policy, stated: str, version: Version) -> bool:
    if Quirk.WANTS_ETAG_UNQUOTED in policy.quirks:
        return stated == version.etag
    return same_etag(stated, version)


def _blind(policy: Policy, bucket: Bucket) -> bool:
    return Quirk.BLIND_IF_VERSIONED in policy.quirks and bucket.versioning is not None


def check_write(policy: Policy, bucket: Bucket, call: Call) -> None:
    """If-None-Match and If-Match of PutObject, CompleteMultipartUpload and CopyObject.

    User Guide, "Conditional writes": If-None-Match takes only `*`, and fails with 412 if a current
    object exists (a delete marker is none). If-Match fails with 412 if the ETag is another, with
    404 if there is no current object or it is a delete marker, and needs s3:GetObject too.
    """
    if call.operation is Operation.COPY_OBJECT and Quirk.IGNORES_COPY_CONDITIONS in policy.quirks:
        return
    absent, match = call.headers.get("if-none-match"), call.headers.get("if-match")
    if absent is not None and match is not None:
        raise S3Error("NotImplemented", Header="If-None-Match")
    current = bucket.current(call.key)
    if absent is not None:
        if absent != "*":
            raise S3Error("NotImplemented", Header="If-None-Match")
        ignored = Quirk.IGNORES_IF_NONE_MATCH in policy.quirks or _blind(policy, bucket)
        if current is not None and not ignored:
            raise S3Error("PreconditionFailed", Condition="If-None-Match")
    if match is not None:
        if match == "*":
            raise S3Error("NotImplemented", Header="If-Match")
        if Quirk.IGNORES_IF_MATCH_ON_PUT in policy.quirks:
            return
        if Quirk.REFUSES_IF_MATCH in policy.quirks or _blind(policy, bucket):
            raise S3Error("PreconditionFailed", Condition="If-Match")
        policy.require(Access.READ, call.key)
        if current is None:
            raise policy.missing(call.key)
        if not _right(policy, match, current):
            raise S3Error("PreconditionFailed", Condition="If-Match")


def check_delete(
    policy: Policy, bucket: Bucket, key: str, match: str | None, version_id: str | None
) -> None:
    """If-Match of DeleteObject, and the ETag of one key in DeleteObjects.

    User Guide, "Conditional deletes": 412 if the ETag is another; `*` means that it exists; an
    ETag (not `*`) needs s3:GetObject too. Measured on S3 (localstack issue 13894, ministack issue
    1475) where the guide is vague or wrong: 404 NoSuchKey without a current object, so under a
    delete marker too, and 501 together with a version id. That DeleteObjects says the same of a
    single key is an inference. (Ceph answers 204 for a missing key, see its s3-tests.)
    """
    if match is None or Quirk.IGNORES_IF_MATCH_ON_DELETE in policy.quirks:
        return
    if Quirk.REFUSES_IF_MATCH in policy.quirks:
        raise S3Error("PreconditionFailed", Condition="If-Match")
    if version_id is not None:
        raise S3Error("NotImplemented", Header="If-Match")
    if match != "*":
        policy.require(Access.READ, key)
    current = bucket.current(key)
    if current is None:
        raise policy.missing(key)
    if match != "*" and not _right(policy, match, current):
        raise S3Error("PreconditionFailed", Condition="If-Match")


def check_copy_source(policy: Policy, call: Call, source: Version) -> None:
    """x-amz-copy-source-if-*: every one that fails is a 412.

    API Reference of CopyObject: if-match true beats if-unmodified-since false, if-none-match
    false beats if-modified-since true.
    """
    if Quirk.IGNORES_COPY_CONDITIONS in policy.quirks:
        return
    start = "x-amz-copy-source-if-"
    conditions = {
        name.removeprefix(start): value
        for name, value in call.headers.items()
        if name.startswith(start)
    }
    if _read_condition(conditions, source) is not None:
        raise S3Error("PreconditionFailed", Condition="x-amz-copy-source-if")


def check_read(call: Call, version: Version) -> bool:
    """Conditions of GetObject and HeadObject (RFC 7232).

    True: not modified, answer 304. Raises S3Error PreconditionFailed.
    """
    conditions = {
        name.removeprefix("if-"): value
        for name, value in call.headers.items()
        if name.startswith("if-")
    }
    failed = _read_condition(conditions, version)
    if failed in ("match", "unmodified-since"):
        raise S3Error("PreconditionFailed", Condition=f"If-{failed.title()}")
    return failed is not None


def _read_condition(conditions: dict[str, str], version: Version) -> str | None:
    """The name of the condition that does not hold."""
    match, absent = conditions.get("match"), conditions.get("none-match")
    if match is not None:
        if match != "*" and not any(same_etag(each, version) for each in match.split(",")):
            return "match"
    elif (since := conditions.get("unmodified-since")) and version.last_modified > _seconds(since):
        return "unmodified-since"
    if absent is not None:
        if absent == "*" or any(same_etag(each, version) for each in absent.split(",")):
            return "none-match"
    elif (since := conditions.get("modified-since")) and version.last_modified <= _seconds(since):
        return "modified-since"
    return None


def _seconds(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        raise S3Error("InvalidArgument", "A date condition could not be parsed.") from None
