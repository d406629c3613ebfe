"""The bucket as a whole: is it there, make it, and what time it is where it lies."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ..errors import BucketNotFound, NotFound
from .client import S3


def ensure_bucket(s3: S3) -> bool:
    """Create the bucket unless it is there, and say whether it was created. Raises AccessDenied and what any request can."""
    try:
        with s3.mapped("read"):
            s3.client.head_bucket(Bucket=s3.bucket)
    except (BucketNotFound, NotFound):
        # us-east-1 is the one region that must not be named here.
        where: dict[str, Any] = {}
        if s3.region != "us-east-1":
            where = {"CreateBucketConfiguration": {"LocationConstraint": s3.region}}
        with s3.mapped("write"):
            s3.client.create_bucket(Bucket=s3.bucket, **where)
        return True
    return False


def server_time(s3: S3, prefix: str) -> datetime | None:
    """S3's own clock, in whole seconds, by the Date of its answer to a small listing; None where it sends none.

    Raises as `listing.page` does.
    """
    with s3.mapped("list", prefix):
        answer = s3.client.list_objects_v2(Bucket=s3.bucket, Prefix=prefix, MaxKeys=1)
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return None if date is None else parsedate_to_datetime(date)
