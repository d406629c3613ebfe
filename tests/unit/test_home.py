"""How home is kept: decided by configuration and mount, and never a sync that nobody asked for."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_wherobots.home import Mode, decide
from jupyter_wherobots.layout import LayoutName, Place, Problem
from jupyter_wherobots.mounts import Mount, is_network, is_shared, mount_of
from jupyter_wherobots.settings import Configuration

GOOD = Configuration(
    place=Place("bucket", "org", "u1"),
    problems=(),
    layout=None,
    home=Path("/home/u1"),
    home_persistence="auto",
    state=Path("/state"),
    trailing_slash=True,
    sync_interval=120,
    stop_timeout=25,
    restore_block=20,
)
DISK = Mount("/", "overlay")
NFS = Mount("/home", "nfs4")
BROKEN = {"place": None, "problems": (Problem("user", "user is not set"),)}


@pytest.mark.parametrize(
    ("changes", "mount", "mode"),
    [
        ({}, DISK, Mode.OFF),
        ({}, None, Mode.OFF),
        ({}, NFS, Mode.FILESYSTEM),
        ({"layout": LayoutName.V2024}, DISK, Mode.SYNC),
        ({"layout": LayoutName.V2024}, NFS, Mode.FILESYSTEM),
        ({"layout": LayoutName.CURRENT}, DISK, Mode.OFF),
        ({"home_persistence": "sync"}, DISK, Mode.SYNC),
        ({"home_persistence": "sync"}, NFS, Mode.SYNC),
        ({"home_persistence": "filesystem"}, DISK, Mode.FILESYSTEM),
        ({"home_persistence": "off", "layout": LayoutName.V2024}, DISK, Mode.OFF),
        ({"home_persistence": "always", **BROKEN}, DISK, Mode.OFF),
        ({"home_persistence": "sync", **BROKEN}, DISK, Mode.OFF),
        ({"layout": LayoutName.V2024, **BROKEN}, DISK, Mode.OFF),
    ],
)
def test_the_mode_follows_from_configuration_and_mount(
    changes: dict[str, object], mount: Mount | None, mode: Mode
) -> None:
    decision = decide(replace(GOOD, **changes), mount)  # type: ignore[arg-type] # a table of fields
    assert decision.mode is mode
    assert decision.reason


@pytest.mark.parametrize(
    ("mount", "network"),
    [
        (Mount("/home/jovyan", "nfs4"), True),
        (Mount("/home/jovyan", "fuse.sshfs"), True),
        (Mount("/home/jovyan", "fuse"), True),
        (Mount("/home/jovyan", "ext4"), False),
        (Mount("/home/jovyan", "9p"), False),
        (Mount("/home/jovyan", "fusectl"), False),
        (Mount("/", "fuse.fuse-overlayfs"), False),
        (Mount("/", "nfs4"), False),
    ],
)
def test_a_network_mount_is_known_by_its_type_and_the_root_never_counts(
    mount: Mount, network: bool
) -> None:
    assert is_network(mount) is network


@pytest.mark.parametrize(
    ("mount", "shared"),
    [
        (NFS, True),
        (Mount("/home/jovyan", "lustre"), True),
        (Mount("/home/jovyan", "9p"), True),
        (Mount("/home/jovyan", "virtiofs"), True),
        (Mount("/home/jovyan", "ext4"), False),
        (Mount("/", "9p"), False),
    ],
)
def test_what_other_machines_may_change_is_known_by_its_type(mount: Mount, shared: bool) -> None:
    """A network file system is shared with others, and so is what a host lends a virtual machine; the root is not."""
    assert is_shared(mount) is shared


MOUNTINFO = os.fsencode("""\
22 1 0:20 / / rw,relatime - overlay overlay rw
30 22 0:30 / /home rw shared:1 - nfs4 server:/home rw
31 30 0:31 / /home/u1/scratch rw - tmpfs tmpfs rw
32 22 0:32 / /mnt/with\\040space rw - fuse.sshfs x rw
33 22 0:33 / /home rw - ext4 /dev/sda rw
34 22 0:34 / /hom rw - cifs //x rw
35 22 0:35 / /mnt/café\\040noir rw - nfs4 x rw
36 22 0:36 / /mnt/\udcff\\134\u2028x rw - nfs4 x rw
""")


@pytest.mark.parametrize(
    ("directory", "mount"),
    [
        ("/root", Mount("/", "overlay")),
        ("/home/u1", Mount("/home", "ext4")),
        ("/home/u1/scratch/x", Mount("/home/u1/scratch", "tmpfs")),
        ("/mnt/with space/x", Mount("/mnt/with space", "fuse.sshfs")),
        ("/mnt/café noir/x", Mount("/mnt/café noir", "nfs4")),
        ("/mnt/\udcff\\\u2028x/y", Mount("/mnt/\udcff\\\u2028x", "nfs4")),
    ],
)
def test_the_mount_is_the_longest_and_last_that_holds_the_directory(
    directory: str, mount: Mount
) -> None:
    assert mount_of(Path(directory), MOUNTINFO) == mount


def test_this_machine_has_a_mount_for_its_root() -> None:
    mount = mount_of(Path("/"))
    assert mount is not None
    assert mount.point == "/"
