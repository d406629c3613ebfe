"""What the server is at one moment: buckets, clock, limits, policy. Used under one lock."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.strict_s3.calls import Call
from tests.strict_s3.clock import Clock
from tests.strict_s3.conditions import Policy
from tests.strict_s3.errors import S3Error
from tests.strict_s3.store import NULL_VERSION, Bucket, Version

GIB = 1024**3
MIB = 1024**2


@dataclass
class Limits:
    """S3's limits in bytes or items ("Amazon S3 multipart upload limits", "Object key names",
    "User-defined object metadata"); tests lower them."""

    key_bytes: int = 1024
    metadata_bytes: int = 2048
    put_bytes: int = 5 * GIB
    copy_bytes: int = 5 * GIB
    part_bytes: int = 5 * GIB
    smallest_part_bytes: int = 5 * MIB
    parts: int = 10_000
    page: int = 1000
    deletes: int = 1000


@dataclass
class State:
    """Everything that an operation reads or changes."""

    region: str
    random: random.Random
    clock: Clock = field(default_factory=Clock)
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=lambda: Policy([], set()))
    buckets: dict[str, Bucket] = field(default_factory=dict)
    _versions: Iterator[int] = field(default_factory=itertools.count)

    def token(self) -> str:
        """An ETag, a version id, an upload id: opaque, never seen before, not a digest."""
        return f"{self.random.getrandbits(128):032x}"

    def bucket(self, name: str) -> Bucket:
        """Raises S3Error NoSuchBucket."""
        found = self.buckets.get(name)
        if found is None:
            raise S3Error("NoSuchBucket", BucketName=name)
        return found

    def check_key(self, key: str) -> None:
        """Raises S3Error KeyTooLongError; the limit is of UTF-8 bytes, not of characters."""
        if (size := len(key.encode())) > self.limits.key_bytes:
            raise S3Error(
                "KeyTooLongError", Size=str(size), MaxSizeAllowed=str(self.limits.key_bytes)
            )

    def version_id(self, bucket: Bucket) -> str:
        """The id of a version that is made now; ids of later versions are greater."""
        if bucket.versioning != "Enabled":
            return NULL_VERSION
        return f"{next(self._versions):08x}{self.token()[8:]}"

    def find(self, bucket: Bucket, call: Call) -> Version:
        """The version that a read is about, by key and `versionId`.

        Raises S3Error NoSuchKey, NoSuchVersion or, for a delete marker asked for by its id,
        MethodNotAllowed; AccessDenied instead of NoSuchKey for those who may not list.
        """
        wanted = call.query.get("versionId")
        if wanted is None:
            current = bucket.current(call.key)
            if current is None:
                raise self.policy.missing(call.key)
            return current
        for version in bucket.versions(call.key):
            if version.version_id == wanted:
                if version.is_delete_marker:
                    raise S3Error("MethodNotAllowed", Method=call.request.method)
                return version
        raise self.policy.missing(call.key, "NoSuchVersion")
