"""Homes on file systems that can do less: no files without a name, no hard links, no extended attributes, no folder locks."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.strict_s3 import Call
from tests.sync.conftest import PREFIX, Place
from tests.sync.test_restore import elsewhere

BODY = b"some bytes"


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    """Let a function of `os` fail as it does on such a file system."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, name, refused)


@pytest.fixture
def no_unnamed_files(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def opened(path: str, flags: int, *rest: int, **where: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "not supported")
        return real(path, flags, *rest, **where)

    monkeypatch.setattr(os, "open", opened)


@pytest.fixture(params=[None, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def poor(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, no_unnamed_files: None
) -> None:
    """No file without a name, and with a parameter no other names of a file either."""
    if request.param is not None:
        refuse(monkeypatch, "link", request.param)


def fill(place: Place) -> None:
    place.write("a.ipynb", b'{"cells": []}')
    place.write("d/e", BODY).chmod(0o751)
    os.utime(place.home / "d/e", ns=(1, 1_234_567_890_123_456_789))
    (place.home / "link").symlink_to("d/e")


@pytest.mark.usefixtures("poor")
def test_a_home_makes_the_round_trip(place: Place, tmp_path: Path) -> None:
    fill(place)
    with place.engine() as sync:
        assert sync.run_pass().complete
    assert sorted(os.listdir(place.home)) == ["a.ipynb", "d", "link"]
    sync, home = elsewhere(place, tmp_path)
    report = sync.restore()
    assert report.complete, report
    assert place.local(home) == place.local()
    info = (home / "d/e").stat()
    assert (stat.S_IMODE(info.st_mode), info.st_mtime_ns) == (0o751, 1_234_567_890_123_456_789)
    assert sync.run_pass().uploaded == 0


@pytest.mark.usefixtures("poor")
def test_a_file_made_meanwhile_is_not_overwritten_and_nothing_half_is_left(
    place: Place, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        place.s3.put(PREFIX + name, b"remote")
    sync, home = elsewhere(place, tmp_path)

    def save(_: Call) -> None:
        (home / "a").write_bytes(b"made since")

    place.s3.on("GetObject", save, key=PREFIX + "a", times=1)
    place.s3.fail("GetObject", code="InternalError", key=PREFIX + "b", times=None)
    assert not sync.restore().complete
    assert place.local(home) == {"a": b"made since", "a (from S3)": b"remote"}


def a_new_folder(place: Place) -> None:
    place.home.rename(place.home.with_name("away"))
    place.home.mkdir()


def an_emptied_folder(place: Place) -> None:
    for name in ("a.ipynb", "d/e", "link"):
        (place.home / name).unlink()


@pytest.mark.parametrize("lose", [a_new_folder, an_emptied_folder])
def test_without_extended_attributes_a_lost_home_deletes_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, lose: Callable[[Place], None]
) -> None:
    for name in ("setxattr", "getxattr"):
        refuse(monkeypatch, name, errno.EOPNOTSUPP)
    fill(place)
    with place.engine() as sync:
        assert sync.run_pass().complete
    before = place.remote()
    lose(place)
    for _ in range(2):
        with place.engine() as sync:
            sync.restore()
            for _ in range(2):
                assert sync.run_pass().deleted == 0
    assert place.remote() == before
    if lose is a_new_folder:
        assert place.local() == before


class Listed:
    """An entry of a folder whose listing names no true inodes, as that of FUSE does."""

    def __init__(self, entry: os.DirEntry[str]) -> None:
        self.name = entry.name
        self.is_dir, self.stat = entry.is_dir, entry.stat

    def inode(self) -> int:
        return 0xFFFFFFFF


def test_folders_that_are_listed_with_other_inodes_are_saved(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def listed(folder: int) -> object:
        with real(folder) as entries:
            return nullcontext([Listed(entry) for entry in entries])

    fill(place)
    place.write("d/deeper/f", BODY)
    monkeypatch.setattr(os, "scandir", listed)
    with place.engine() as sync:
        assert sync.run_pass().complete
    monkeypatch.undo()
    assert place.remote() == place.local()


def test_a_home_that_cannot_be_locked_is_saved(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock

    def flock(fd: int, how: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    fill(place)
    with place.engine() as sync:
        assert sync.run_pass().complete
    assert place.remote() == place.local()
