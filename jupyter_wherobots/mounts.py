"""What a directory is mounted from, as the kernel tells. Knows nothing of Jupyter, S3 or the mirror."""

from __future__ import annotations

import os
from collections.abc import Iterable
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


def mount_of(directory: Path, mountinfo: Iterable[str] | None = None) -> Mount | None:
    """The mount a directory lies on, or None where ``/proc/self/mountinfo`` cannot be read (not Linux)."""
    if mountinfo is None:
        try:
            mountinfo = MOUNTINFO.read_text(errors="surrogateescape").splitlines()
        except OSError:
            return None
    real = os.path.realpath(directory)
    best: Mount | None = None
    for line in mountinfo:
        fields, _, rest = line.partition(" - ")
        # proc(5): octal escapes for space, tab, newline and backslash.
        point = (
            fields.split()[4].encode().decode("unicode_escape")
            if "\\" in line
            else fields.split()[4]
        )
        inside = point in ("/", real) or real.startswith(point + "/")
        # Later lines are mounted over earlier ones.
        if inside and (best is None or len(point) >= len(best.point)):
            best = Mount(point, rest.split()[0])
    return best
