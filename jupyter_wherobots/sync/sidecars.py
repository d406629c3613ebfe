"""The logs that lie beside a SQLite database while it is in use, as a scan sees them (`database` says what is done then)."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from . import beneath
from .filestat import pack, repack, unpack
from .mappings import open_here

MAGIC = b"SQLite format 3\0"
_MAGICS = {
    b"-wal": (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"),
    b"-journal": (b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7",),
}
"""What the first bytes of a log with something in it are (sqlite.org/fileformat2.html)."""
LOGS = tuple(_MAGICS)
_SHARED = b"-shm"
SUFFIXES = (*LOGS, _SHARED)


def logs(names: Collection[bytes]) -> dict[bytes, list[bytes]]:
    """Which names in one folder may be logs of which other names in it."""
    found: dict[bytes, list[bytes]] = {}
    for name in names:
        if name.endswith(SUFFIXES):
            main = name.rpartition(b"-")[0]
            if main in names:
                found.setdefault(main, []).append(name)
    return found


def in_use(folder: int, names: Collection[bytes]) -> dict[bytes, list[bytes]]:
    """The databases in a folder that are in use, with their logs. ``names``: all that is in it."""
    if not any(name.endswith(SUFFIXES) for name in names):
        return {}
    lives = {main: live(folder, found) for main, found in logs(set(names)).items()}
    return {main: found for main, found in lives.items() if found and may_be(folder, main)}


def may_be(folder: int, name: bytes) -> bool:
    """Whether a file in a folder may be a database: it begins like one, or is empty, or must not be opened by hand.

    An encrypted one does not: SQLite cannot copy it, so it and its logs are files like others.
    """
    try:
        info = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not info.st_size or (info.st_dev, info.st_ino) in open_here():
            return True
        return beneath.head(folder, name, len(MAGIC)) == MAGIC
    except OSError:
        return True


def live(folder: int, candidates: Iterable[bytes]) -> list[bytes]:
    """A database's logs and shared memory, if one of the logs has something in it; else none of them."""
    candidates = list(candidates)
    if any(is_live(folder, name) for name in candidates if not name.endswith(_SHARED)):
        return candidates
    return []


def is_live(folder: int, name: bytes) -> bool:
    """Whether a log has something in it, by its first bytes."""
    return says_live(name, beneath.head(folder, name, 8))


def says_live(name: bytes, body: bytes) -> bool:
    """Whether these bytes of a file of this name are a log with something in it."""
    magics = _MAGICS.get(b"-" + name.rpartition(b"-")[2])
    return magics is not None and body.startswith(magics)


def together(folder: int, main: os.stat_result, logs: Iterable[bytes]) -> bytes:
    """The packed stat of a database with those of its logs that are still there: it changes when any of them does."""
    stat = unpack(pack(main))
    for name in logs:
        try:
            part = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            continue
        stat = stat._replace(
            mtime_ns=max(stat.mtime_ns, part.st_mtime_ns),
            ctime_ns=max(stat.ctime_ns, part.st_ctime_ns),
        )
    return repack(stat)
