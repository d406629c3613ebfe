"""What a directory is mounted from, as the kernel tells. Knows nothing of Jupyter, S3 or the mirror."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class Mount:
    """Where a directory is mounted from: mount point and file system type, as ``/proc/self/mountinfo`` names them."""

    point: str
    kind: str


# EFS is mounted as nfs4. Types that sandboxes use for the root (9p, virtiofs, overlay) are not persistent and not here.
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "glusterfs", "beegfs", "afs", "gpfs"}
)
_OF_THE_HOST = frozenset({"9p", "virtiofs"})


def is_network(mount: Mount) -> bool:
    """Whether a mount is a network file system. The root of the machine never counts: it goes with the machine."""
    kind = mount.kind.partition(".")[0]
    return mount.point != "/" and (mount.kind in _NETWORK or kind in ("fuse", "fuseblk"))


def is_shared(mount: Mount) -> bool:
    """Whether other machines may change what is in a mount: network file systems, and what a host shares with its guests."""
    return is_network(mount) or (mount.point != "/" and mount.kind in _OF_THE_HOST)


def mount_of(directory: Path, mountinfo: bytes | None = None) -> Mount | None:
    """The mount a directory lies on, or None where ``/proc/self/mountinfo`` cannot be read (not Linux)."""
    real = os.fsencode(os.path.realpath(directory))
    best: tuple[bytes, bytes] | None = None
    for point, kind in _mounts(_read() if mountinfo is None else mountinfo):
        inside = point in (b"/", real) or real.startswith(point + b"/")
        # Later lines are mounted over earlier ones.
        if inside and (best is None or len(point) >= len(best[0])):
            best = point, kind
    return None if best is None else Mount(*map(os.fsdecode, best))


def mounts_below(directory: Path) -> frozenset[bytes]:
    """The mount points inside a directory, relative to it; none where the system does not tell."""
    prefix = os.fsencode(os.path.realpath(directory)).rstrip(b"/") + b"/"
    points = (point for point, _ in _mounts(_read()))
    return frozenset(point[len(prefix) :] for point in points if point.startswith(prefix))


def _read() -> bytes:
    try:
        return MOUNTINFO.read_bytes()
    except OSError:
        return b""


def _mounts(mountinfo: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Where each is mounted, and its type. In bytes: a name need not be UTF-8, and may have what text would split at."""
    for line in mountinfo.split(b"\n"):
        fields, _, rest = line.partition(b" - ")
        if rest:
            # proc(5): space, tab, newline and backslash are octal escapes.
            point = fields.split(b" ")[4].decode("unicode_escape").encode("latin-1")
            yield point, rest.split(b" ")[0]
