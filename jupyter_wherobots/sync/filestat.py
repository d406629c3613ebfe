"""What of a file's stat the mirror goes by, in the compact form that the journal keeps."""

from __future__ import annotations

import os
import stat as st
import struct
from typing import NamedTuple

_STAT = struct.Struct("<QQQqqI")
_LAST = 2**63 - 1
pack_members = _STAT.pack
"""Packs device, inode, size, mtime and ctime in ns, mode; `pack` without a call, for the loop over all files.

Raises struct.error for times that `pack` takes.
"""


def nearest(time_ns: int) -> int:
    """A time in ns, or the nearest that 64 bits hold: file systems take years beyond 2262, and a bad clock writes them."""
    return min(max(time_ns, -_LAST), _LAST)


def pack(stat: os.stat_result) -> bytes:
    """What of a stat tells one state of a file from another: device, inode, size, both times in ns, mode."""
    return pack_members(
        stat.st_dev,
        stat.st_ino,
        stat.st_size,
        nearest(stat.st_mtime_ns),
        nearest(stat.st_ctime_ns),
        stat.st_mode,
    )


class Stat(NamedTuple):
    """A packed stat, taken apart again."""

    dev: int
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return st.S_ISLNK(self.mode)

    @property
    def identity(self) -> tuple[int, int]:
        """Which inode it is."""
        return self.dev, self.ino


def unpack(packed: bytes) -> Stat:
    """A packed stat, taken apart."""
    return Stat(*_STAT.unpack(packed))


def repack(stat: Stat) -> bytes:
    """The other way."""
    times = {"mtime_ns": nearest(stat.mtime_ns), "ctime_ns": nearest(stat.ctime_ns)}
    return pack_members(*stat._replace(**times))
