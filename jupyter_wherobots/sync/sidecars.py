"""The logs that lie beside a SQLite database while it is in use, as a scan sees them (`database` says what is done then)."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from . import beneath
from .filestat import pack, repack, unpack

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


def live(folder: int, candidates: Iterable[bytes]) -> list[bytes]:
    """A database's logs and shared memory, if one of the logs has something in it; else none of them."""
    candidates = list(candidates)
    if any(is_live(folder, name) for name in candidates if not name.endswith(_SHARED)):
        return candidates
    return []


def is_live(folder: int, name: bytes) -> bool:
    """Whether a log has something in it, by its first bytes."""
    try:
        return says_live(name, beneath.head(folder, name, 8))
    except OSError:
        return False


def says_live(name: bytes, body: bytes) -> bool:
    """Whether these bytes of a file of this name are a log with something in it."""
    magics = _MAGICS.get(b"-" + name.rpartition(b"-")[2])
    return magics is not None and body.startswith(magics)


def together(main: os.stat_result, parts: Iterable[os.stat_result]) -> bytes:
    """The packed stat of a database with its logs: it changes when any of them does."""
    stat = unpack(pack(main))
    for part in parts:
        stat = stat._replace(
            mtime_ns=max(stat.mtime_ns, part.st_mtime_ns),
            ctime_ns=max(stat.ctime_ns, part.st_ctime_ns),
        )
    return repack(stat)
