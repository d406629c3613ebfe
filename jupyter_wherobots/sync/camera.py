"""How one pass captures files: small ones whole, large ones as they are read, databases by SQLite, some kept for later.

What is kept is put as it was at that moment, however much later its turn comes: small files are in memory, large ones copies
without a name.
"""

from __future__ import annotations

import hashlib

from . import beneath, capture, database, mappings, sidecars
from .capture import Captured, NotNowError, Quiet, Steady, VanishedError
from .filestat import pack, unpack
from .ground import Ground
from .scan import Entry
from .status import Why

_SETTLING = 2 * 10**9
"""Nanoseconds. A write stamps the file before its bytes are copied, and may be held up in between; a capture made then looks
like any other. So what changed this short a while ago is read again by a later pass."""


class Camera:
    """Captures the files of one pass."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._root = ground.root
        self._quiet = Quiet(
            ground.stamp, lambda seconds: ground.clock.wait(ground.halt.stop, seconds)
        )
        self._started = ground.stamp()
        self._open_here = mappings.open_here()
        self._mapped = mappings.writable()
        self._small: dict[bytes, Captured] = {}
        self._large: dict[bytes, Steady] = {}

    def small(self, path: bytes, packed: bytes) -> Captured | None:
        """A small file or a link as it is now, or was when it was kept; None if it is a database whose copy is large.

        Raises VanishedError and NotNowError.
        """
        if path in self._small:
            return self._small[path]
        stat = unpack(packed)
        if stat.is_link:
            return capture.link(self._root, path, packed)
        if stat.identity not in self._open_here:
            captured = capture.whole(self._root, path, packed, self._quiet)
            if database.is_log(self._root, path, captured.body):
                raise VanishedError
            if not captured.body.startswith(sidecars.MAGIC):
                return captured
            # A commit writes to the database, and only then is its log without effect: so if it was in the middle of one when
            # it was read, there is a log still, or it has changed.
            live = database.has_live_log(self._root, path)
            if not live and self._is_still(path, captured):
                return captured
        snapshot = database.snapshot(self._root, path, packed, self._ground.room)
        if snapshot is None:
            return capture.whole(self._root, path, packed, self._quiet)
        with snapshot:
            if snapshot.size > capture.WHOLE:
                return None
            return Captured(snapshot.read(), snapshot.sha256, packed)

    def _is_still(self, path: bytes, captured: Captured) -> bool:
        """Whether a file is as it was captured."""
        try:
            return pack(beneath.lstat(self._root, path)) == captured.stat
        except OSError:
            return False

    def large(self, path: bytes, packed: bytes) -> Steady:
        """A large file as it is or was when it was kept, or a copy of one that never rests or is a database in use.

        Raises VanishedError and NotNowError.
        """
        root, room = self._root, self._ground.room
        if path in self._large:
            return self._large[path].again()
        if unpack(packed).identity in self._open_here:
            found = database.snapshot(root, path, packed, room)
            if found is not None:
                return found
        if self._ground.memory.is_restless(path, last=self._ground.last):
            file = capture.hot_copy(root, path, packed, room, self._ground.halt)
        else:
            file = capture.steady(root, path, packed, self._quiet)
        try:
            found = self._instead(path, packed, file.head())
        except BaseException:
            file.close()
            raise
        if found is None:
            return file
        file.close()
        return found

    def _instead(self, path: bytes, packed: bytes, head: bytes) -> Steady | None:
        """The copy of a file that begins like this, if it is a database in use. Raises VanishedError for a log of one."""
        root = self._root
        if database.is_log(root, path, head):
            raise VanishedError
        if head == sidecars.MAGIC and database.has_live_log(root, path):
            return database.snapshot(root, path, packed, self._ground.room)
        return None

    def doubts(self, packed: bytes) -> bool:
        """Whether a file may have changed since without its stat telling."""
        stat = unpack(packed)
        return stat.ctime_ns >= self._started - _SETTLING or self.is_mapped(packed)

    def is_mapped(self, packed: bytes) -> bool:
        """Whether a process has a file mapped such that it may write to it."""
        return unpack(packed).ino in self._mapped

    # -- keeping ----------------------------------------------------------------------------------

    def keep(self, entry: Entry) -> None:
        """Capture a file or link now, to be given until `release`. Raises VanishedError and NotNowError."""
        path, packed, _ = entry
        stat = unpack(packed)
        if stat.is_link:
            self._small[path] = capture.link(self._root, path, packed)
        elif stat.size <= capture.WHOLE:
            self._small[path] = capture.whole(self._root, path, packed, self._quiet)
        else:
            self._large[path] = self._copy(path, packed)

    def stand_in(self, entry: Entry, body: bytes) -> None:
        """Give these bytes for a file that is gone, until `release`."""
        captured = Captured(body, hashlib.sha256(body).digest(), entry.stat)
        self._small[entry.path] = captured

    def kept(self, path: bytes) -> bytes:
        """The bytes of a small file that is kept; none of a large one."""
        return self._small[path].body if path in self._small else b""

    def kept_stat(self, path: bytes) -> bytes:
        """The packed stat of a file that is kept; none of another."""
        kept = self._small.get(path) or self._large.get(path)
        return b"" if kept is None else kept.stat

    def release(self) -> None:
        """Keep nothing any more."""
        for copy in self._large.values():
            copy.close()
        self._small, self._large = {}, {}

    def _copy(self, path: bytes, packed: bytes) -> Steady:
        ground = self._ground
        copy = capture.hot_copy(ground.root, path, packed, ground.room, ground.halt)
        try:
            if copy.stat == packed == pack(beneath.lstat(ground.root, path)):
                return copy
        except OSError:
            pass  # gone: nobody knows whether it changed before
        copy.close()
        raise NotNowError(Why.CHANGING, "It was replaced while it was copied.")
