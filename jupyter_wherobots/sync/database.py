"""SQLite databases in use: saved whole, by SQLite itself.

A database that is written to is two files (the database and its write-ahead log or rollback journal) that only together,
and only as of one instant, are one. Copied one after the other they came back corrupt 117 times of 121 under a busy
writer. So while there is a live log, what is put under the database's name is a copy made by SQLite's backup API, which
contains what the log says, and the log itself is not mirrored: a stale one beside it would be played into it.

POSIX takes a process's locks on a file away when the process closes any descriptor of it. The server has databases open
in this very process (notebook signatures, file ids), so a file that is open here is never opened by
hand (`mappings.open_here`).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path

from . import beneath
from .capture import NotNowError, Steady
from .filestat import unpack
from .sidecars import LOGS, is_live, may_be, says_live
from .status import Why

_BUSY = 0.25
_LOCKED = (5, 6)
"""SQLITE_BUSY and SQLITE_LOCKED (sqlite3.SQLITE_BUSY only exists from Python 3.11 on)."""
_ATTEMPTS = 2
"""So often is a locked database asked, a quarter of a second apart."""
_RESERVE = 64 * 1024 * 1024


def has_live_log(root: int, path: bytes) -> bool:
    """Whether a file that is a database is in use, so that it must not be copied by itself."""
    parent, _, name = path.rpartition(b"/")
    with contextlib.suppress(OSError), beneath.folder(root, parent) as folder:
        return any(is_live(folder, name + suffix) for suffix in LOGS)
    return False


def is_log(root: int, path: bytes, body: bytes) -> bool:
    """Whether bytes captured at a path are the log of a database beside it, and say something.

    It may have been empty when it was scanned; with another version of the database it would be played into that.
    """
    if not says_live(path, body):
        return False
    main = path.rpartition(b"-")[0]
    parent, _, name = main.rpartition(b"/")
    with contextlib.suppress(OSError), beneath.folder(root, parent) as folder:
        return not beneath.is_missing(root, main) and may_be(folder, name)
    return True


def snapshot(root: int, path: bytes, expected: bytes, room: Path) -> Steady | None:
    """A copy of a database as of now, as SQLite makes it, without a name in ``room``; None if it is no database.

    ``expected`` becomes its stat. Takes a read lock as any reader does. Raises NotNowError while it is locked or there is
    no room.
    """
    parent, _, name = path.rpartition(b"/")
    room.mkdir(parents=True, exist_ok=True, mode=0o700)
    space = os.statvfs(room)
    size = unpack(expected).size
    if size + _RESERVE > space.f_bavail * space.f_frsize:
        raise NotNowError(Why.CHANGING, "It is in use, and there is no room for a copy of it.")
    try:
        with (
            beneath.folder(root, parent) as folder,
            tempfile.TemporaryDirectory(dir=room) as place,
        ):
            copy = os.path.join(place, "copy")
            info = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if (info.st_dev, info.st_ino) != unpack(expected).identity:
                raise NotNowError(Why.CHANGING, "It was replaced while it was looked at.")
            source = f"/proc/self/fd/{folder}/{os.fsdecode(name)}"
            if not _back_up(source, copy):
                return None
            fd = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NotNowError(Why.UNREADABLE, f"It cannot be read: {error.strerror}.") from error
    return Steady(fd, os.fstat(fd), stat=expected)


def _back_up(source: str, copy: str) -> bool:
    """Whether the source was a database, and the copy is one now."""
    uri = Path(source).as_uri() + "?mode=ro"
    try:
        with (
            contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY)) as reading,
            contextlib.closing(sqlite3.connect(copy)) as writing,
        ):
            reading.backup(writing, progress=_Patience())
    except sqlite3.OperationalError as error:
        text = f"It is in use: {error}."
        raise NotNowError(Why.CHANGING, text) from error
    except sqlite3.DatabaseError:
        return False
    return True


class _Patience:
    """Ends a backup of a database that stays locked; left alone it would try for ever."""

    def __init__(self) -> None:
        self._refused = 0

    def __call__(self, status: int, remaining: int, total: int) -> None:
        if status in _LOCKED:
            self._refused += 1
            if self._refused > _ATTEMPTS:
                raise sqlite3.OperationalError("somebody is writing to it")
