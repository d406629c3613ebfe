"""The limits of the storage."""

from __future__ import annotations

from dataclasses import dataclass

from ..s3.objects import COPY_LIMIT

MIB = 1024 * 1024

MAX_PARTS = 10_000
"""S3's limit for one upload."""
MIN_PART = 8 * MIB
MAX_PART = 16 * MIB
"""A part is held in memory as a whole on its way to S3."""


@dataclass(frozen=True)
class Options:
    """What the operator may decide.

    ``one_shot``: bytes of the largest file that is uploaded in one request. ``upload_limit``: bytes of the
    largest file that is uploaded at all. ``upload_age``: seconds after which an upload session that nobody
    continues is aborted. ``copy_limit``: bytes that
    are copied by one request; larger objects are copied by parts.
    """

    one_shot: int = MAX_PART
    upload_limit: int = MAX_PARTS * MAX_PART
    upload_age: float = 3 * 86400.0
    copy_limit: int = COPY_LIMIT


def part_size(size: int) -> int:
    """Bytes of each part but the last for a file of ``size`` bytes: 8 MiB, up to 16 where that would be too many parts."""
    return max(MIN_PART, -(-size // (MAX_PARTS * MIB)) * MIB)
