"""How the home directory survives, decided once, at start."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .layout import LayoutName
from .settings import Configuration


class Mode(str, Enum):
    """What keeps the home directory."""

    SYNC = "sync"
    """Mirrored one way to ``/notebooks/customer-XXXX``."""
    FILESYSTEM = "filesystem"
    """It lies on a persistent mount; nothing is copied, since that would move data across regions."""
    OFF = "off"
    """Nothing keeps it."""


@dataclass(frozen=True)
class Persistence:
    """The decision and its reason, in words a person can read."""

    mode: Mode
    reason: str
    failed: bool = False
    """Home was to be mirrored, and is not: ``reason`` says why."""


@dataclass(frozen=True)
class Mount:
    """Where a directory is mounted from: mount point and file system type, as ``/proc/self/mountinfo`` names them."""

    point: str
    kind: str


# EFS is mounted as nfs4. Types that sandboxes use for the root (9p, virtiofs, overlay) are not persistent and not here.
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "glusterfs", "beegfs", "afs", "gpfs"}
)


def is_network(mount: Mount) -> bool:
    """Whether a mount is a network file system. The root of the machine never counts: it goes with the machine."""
    kind = mount.kind.partition(".")[0]
    return mount.point != "/" and (mount.kind in _NETWORK or kind in ("fuse", "fuseblk"))


def mount_of(directory: Path, mountinfo: Iterable[str] | None = None) -> Mount | None:
    """The mount a directory lies on, or None where ``/proc/self/mountinfo`` cannot be read (not Linux)."""
    if mountinfo is None:
        try:
            mountinfo = (
                Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
            )
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


def decide(configuration: Configuration, mount: Mount | None) -> Persistence:
    """The mode for a configuration and the mount that home lies on. Wrong configuration never synchronises anything."""
    wanted = configuration.home_persistence
    if wanted == "off":
        return Persistence(Mode.OFF, "home_persistence is off.")
    if wanted == "filesystem":
        return Persistence(Mode.FILESYSTEM, "home_persistence is filesystem.")
    if wanted == "auto" and mount is not None and is_network(mount):
        return Persistence(
            Mode.FILESYSTEM, f"Home lies on a network mount ({mount.kind} at {mount.point})."
        )
    if configuration.problems:
        names = ", ".join(dict.fromkeys(problem.setting for problem in configuration.problems))
        meant = wanted == "sync" or configuration.layout is LayoutName.V2024
        reason = f"The configuration is incomplete or wrong ({names})."
        return Persistence(Mode.OFF, reason, failed=meant)
    if wanted == "sync":
        return Persistence(Mode.SYNC, "home_persistence is sync.")
    if configuration.layout is LayoutName.V2024:
        return Persistence(Mode.SYNC, "layout is set to 2024.")
    return Persistence(
        Mode.OFF,
        "Neither home_persistence nor layout asks for it, and home is not on a network mount. "
        "Set WHEROBOTS_HOME_PERSISTENCE=sync to keep it in S3, or filesystem if its disk is persistent.",
    )
