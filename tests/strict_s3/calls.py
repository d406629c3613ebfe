"""From an HTTP request to a call of the S3 API: which operation, on what, with which body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import parse_qsl, unquote

from tests.strict_s3 import checksums
from tests.strict_s3.errors import S3Error
from tests.strict_s3.http import HttpRequest


class Operation(str, Enum):
    """The operations of the S3 API that are answered; any other is 501 NotImplemented."""

    LIST_BUCKETS = "ListBuckets"
    CREATE_BUCKET = "CreateBucket"
    DELETE_BUCKET = "DeleteBucket"
    HEAD_BUCKET = "HeadBucket"
    GET_BUCKET_LOCATION = "GetBucketLocation"
    GET_BUCKET_VERSIONING = "GetBucketVersioning"
    PUT_BUCKET_VERSIONING = "PutBucketVersioning"
    LIST_OBJECTS_V2 = "ListObjectsV2"
    LIST_OBJECT_VERSIONS = "ListObjectVersions"
    LIST_MULTIPART_UPLOADS = "ListMultipartUploads"
    DELETE_OBJECTS = "DeleteObjects"
    PUT_OBJECT = "PutObject"
    GET_OBJECT = "GetObject"
    HEAD_OBJECT = "HeadObject"
    DELETE_OBJECT = "DeleteObject"
    COPY_OBJECT = "CopyObject"
    CREATE_MULTIPART_UPLOAD = "CreateMultipartUpload"
    UPLOAD_PART = "UploadPart"
    UPLOAD_PART_COPY = "UploadPartCopy"
    COMPLETE_MULTIPART_UPLOAD = "CompleteMultipartUpload"
    ABORT_MULTIPART_UPLOAD = "AbortMultipartUpload"
    LIST_PARTS = "ListParts"
    UNKNOWN = "Unknown"


_BUCKET_ROUTES = {
    ("HEAD", ""): Operation.HEAD_BUCKET,
    ("PUT", ""): Operation.CREATE_BUCKET,
    ("DELETE", ""): Operation.DELETE_BUCKET,
    ("GET", "location"): Operation.GET_BUCKET_LOCATION,
    ("GET", "versioning"): Operation.GET_BUCKET_VERSIONING,
    ("PUT", "versioning"): Operation.PUT_BUCKET_VERSIONING,
    ("GET", "list-type"): Operation.LIST_OBJECTS_V2,
    ("GET", "versions"): Operation.LIST_OBJECT_VERSIONS,
    ("GET", "uploads"): Operation.LIST_MULTIPART_UPLOADS,
    ("POST", "delete"): Operation.DELETE_OBJECTS,
}
_OBJECT_ROUTES = {
    ("PUT", ""): Operation.PUT_OBJECT,
    ("GET", ""): Operation.GET_OBJECT,
    ("HEAD", ""): Operation.HEAD_OBJECT,
    ("DELETE", ""): Operation.DELETE_OBJECT,
    ("PUT", "uploadId"): Operation.UPLOAD_PART,
    ("GET", "uploadId"): Operation.LIST_PARTS,
    ("POST", "uploadId"): Operation.COMPLETE_MULTIPART_UPLOAD,
    ("DELETE", "uploadId"): Operation.ABORT_MULTIPART_UPLOAD,
    ("POST", "uploads"): Operation.CREATE_MULTIPART_UPLOAD,
}
_COPIES = {
    Operation.PUT_OBJECT: Operation.COPY_OBJECT,
    Operation.UPLOAD_PART: Operation.UPLOAD_PART_COPY,
}
# Query names that choose the operation. Those S3 has and this server has not (acl, tagging, …)
# must lead to 501, not to the plain operation on the object.
_SELECTORS = {name for _, name in (*_BUCKET_ROUTES, *_OBJECT_ROUTES) if name}
_FOREIGN = frozenset(
    {
        "accelerate",
        "acl",
        "analytics",
        "attributes",
        "cors",
        "encryption",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "tagging",
        "torrent",
        "website",
    }
)


@dataclass
class Call:
    """One call: `key` is "" for a bucket's operations, `query` and `headers` are decoded."""

    operation: Operation
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    request: HttpRequest

    @property
    def subject(self) -> str:
        """What a fault's pattern is matched with: the key, or the prefix that is listed."""
        return self.key or self.query.get("prefix", "")

    @property
    def conditional(self) -> bool:
        """Whether it carries If-Match or If-None-Match."""
        return "if-match" in self.headers or "if-none-match" in self.headers


def identify(request: HttpRequest) -> Call:
    """The call that a request is, its body still as it was sent.

    The key is taken verbatim: no `//`, `.` or `..` is normalised. What it is not able to name
    has the operation UNKNOWN.
    """
    bucket, _, raw_key = request.path[1:].partition("/")
    key = unquote(raw_key, errors="surrogateescape")
    query = dict(parse_qsl(request.query, keep_blank_values=True, errors="surrogateescape"))
    selector = next((name for name in query if name in _SELECTORS), "")
    routes = _OBJECT_ROUTES if key else _BUCKET_ROUTES
    operation = routes.get((request.method, selector), Operation.UNKNOWN)
    if not bucket:
        operation = Operation.LIST_BUCKETS if request.method == "GET" else Operation.UNKNOWN
    if not _FOREIGN.isdisjoint(query):
        operation = Operation.UNKNOWN
    if "x-amz-copy-source" in request.headers:
        operation = _COPIES.get(operation, operation)
    return Call(operation, bucket, key, query, request.headers, request.body, request)


def check_names(call: Call) -> None:
    """Raises S3Error InvalidURI for a key or a query that is not UTF-8."""
    try:
        call.key.encode()
        "".join(call.query.values()).encode()
    except UnicodeEncodeError:
        raise S3Error("InvalidURI") from None


def unwrap_body(call: Call) -> None:
    """Undo aws-chunked, take the trailing checksum, and verify every digest of the body.

    Raises S3Error for a body that is not what its headers say, MissingContentLength for one
    whose length was not announced.
    """
    headers = dict(call.headers)
    if headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        declared = headers.get("x-amz-decoded-content-length")
        if declared is None or not declared.isdigit():
            raise S3Error("MissingContentLength")
        call.body, trailers = _dechunk(call.body)
        if len(call.body) != int(declared):
            raise S3Error("InvalidRequest", "The decoded length is not the one announced.")
        announced = {name.strip() for name in headers.get("x-amz-trailer", "").split(",")} - {""}
        if announced - trailers.keys():
            raise S3Error("InvalidRequest", "The announced trailer was not sent.")
        headers.update(trailers)
    elif "transfer-encoding" in headers:
        raise S3Error("NotImplemented", Header="Transfer-Encoding")
    elif "content-length" not in headers:
        raise S3Error("MissingContentLength")
    call.headers = headers
    checksums.verify(headers, call.body)


def _dechunk(data: bytes) -> tuple[bytes, dict[str, str]]:
    """The payload and the trailers of an aws-chunked body."""
    pieces: list[bytes] = []
    at = 0
    try:
        while True:
            end = data.index(b"\r\n", at)
            size = int(data[at:end].split(b";")[0], 16)
            at = end + 2
            if not size:
                break
            pieces.append(data[at : at + size])
            if data[at + size : at + size + 2] != b"\r\n":
                raise ValueError("a chunk without its end")
            at += size + 2
    except ValueError:
        raise S3Error("InvalidRequest", "The aws-chunked body is not well formed.") from None
    trailers: dict[str, str] = {}
    for line in data[at:].decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            trailers[name.strip().lower()] = value.strip()
    return b"".join(pieces), trailers
