"""Files that processes hold: those that some write to through memory (`numpy.memmap` and its like), those open in this one.

A write through memory changes no stat: the kernel stamps the file at the first store into a clean page, and every later one
is silent until the page was written back, half a minute later or, on tmpfs, never. What was read of a mapped file may be
stale at once.
"""

from __future__ import annotations

import contextlib
import os
import re

_WRITABLE = re.compile(rb"^\S+ .w.s \S+ \S+ ([1-9]\d*)", re.MULTILINE)
"""proc_pid_maps(5): address, permissions (``s``: shared), offset, device, inode."""


def writable() -> frozenset[int]:
    """The inodes that processes have mapped shared and writable, as far as the system lets us look; empty elsewhere.

    Without their devices: what stat and the kernel's list call the device differs on some file systems, and to take an unmapped
    file for a mapped one costs a second look at it and no more.
    """
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for process in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{process}/maps", "rb") as maps:
                found.update(map(int, _WRITABLE.findall(maps.read())))
    return frozenset(found)


def open_here() -> frozenset[tuple[int, int]]:
    """The (device, inode) of every file that this process has open."""
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                info = os.stat(f"/proc/self/fd/{name}")
                found.add((info.st_dev, info.st_ino))
    return frozenset(found)
