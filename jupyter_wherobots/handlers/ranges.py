"""``Range`` and the conditions of a GET, as RFC 9110 has them, for one range. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import RangeNotSatisfiable


@dataclass(frozen=True)
class ByteRange:
    """From ``start`` to ``end`` (exclusive)."""

    start: int
    end: int


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The range that is asked for of ``size`` bytes; None for all of them.

    Several ranges, other units and what cannot be read count as no range at all, as the RFC wants it.
    Raises RangeNotSatisfiable if the file ends before the range begins.
    """
    match = re.fullmatch(
        r"\s*bytes\s*=\s*([0-9]{0,19})\s*-\s*([0-9]{0,19})\s*", header or "", re.IGNORECASE
    )
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        start, end = max(0, size - int(match[2])), size
    else:
        start = int(match[1])
        end = min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= size or start >= end:
        raise RangeNotSatisfiable(f"The file has {size} bytes; the range begins behind them.")
    return ByteRange(start, end)


def names(header: str | None, etag: str, *, weak: bool) -> bool:
    """Whether a list of ETags (If-Match, If-None-Match) names this one; ``*`` names every one.

    The weak comparison, which If-None-Match uses, ignores a ``W/`` in front.
    """
    if header is None:
        return False
    listed = [each.strip() for each in header.split(",")]
    if weak:
        listed = [each.removeprefix("W/") for each in listed]
        etag = etag.removeprefix("W/")
    return "*" in listed or etag in listed
