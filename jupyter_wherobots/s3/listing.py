"""Listing by pages, through boto3: obstore's listing fails as a whole on one key that it cannot
parse, and its prefixes are whole segments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ..errors import StorageFailed
from .client import S3
from .keys import quoted

PAGE = 1000
"""Most keys that S3 puts on a page."""


@dataclass(frozen=True)
class Object:
    """One object in a listing. ``size`` in bytes, ``etag`` as in its header (with quotes),
    ``last_modified`` on S3's clock.
    """

    key: str
    size: int
    last_modified: datetime
    etag: str


@dataclass(frozen=True)
class Page:
    """One page: the folders below the prefix, the objects in it, and the token of the next page
    (None: this is the last).
    """

    prefixes: tuple[str, ...]
    objects: tuple[Object, ...]
    token: str | None


def page(
    s3: S3,
    prefix: str,
    *,
    delimiter: str = "/",
    limit: int = PAGE,
    token: str | None = None,
    start_after: str | None = None,
) -> Page:
    """One page of what lies under ``prefix``: at most ``limit`` objects and prefixes together, in
    the order of their UTF-8 bytes.

    ``delimiter=""`` lists everything below, however deep. ``token`` goes on from an earlier page
    and stands for its ``start_after`` too. Raises BucketNotFound, AccessDenied and what any request
    can.
    """
    params = {"Bucket": s3.bucket, "Prefix": prefix, "MaxKeys": limit}
    if delimiter:
        params["Delimiter"] = delimiter
    if token is not None:
        params["ContinuationToken"] = token
    elif start_after:
        params["StartAfter"] = start_after
    with s3.mapped("list", prefix):
        answer = s3.client.list_objects_v2(**params)
    if "IsTruncated" not in answer:
        # A portal or a proxy that answers any request with a page of its own would look like an
        # empty bucket.
        raise StorageFailed(
            f"The endpoint's answer to a listing of s3://{s3.bucket}/{prefix} is not that of an S3 store.",
            hint="Check AWS_ENDPOINT_URL_S3, and what stands between here and there.",
        )
    return Page(
        tuple(each["Prefix"] for each in answer.get("CommonPrefixes", ())),
        tuple(
            Object(each["Key"], each["Size"], each["LastModified"], quoted(each.get("ETag", "")))
            for each in answer.get("Contents", ())
        ),
        answer.get("NextContinuationToken") if answer.get("IsTruncated") else None,
    )


def walk(s3: S3, prefix: str, *, start_after: str | None = None) -> Iterator[Object]:
    """All objects under ``prefix``, page by page, in the order of their UTF-8 bytes. Raises what
    `page` raises.
    """
    here = page(s3, prefix, delimiter="", start_after=start_after)
    yield from here.objects
    while here.token is not None:
        here = page(s3, prefix, delimiter="", token=here.token)
        yield from here.objects
