"""Files as they were at one moment, kept until it is their turn to be put."""

from __future__ import annotations

from . import beneath, capture
from .capture import Captured, NotNowError, Quiet, Steady
from .filestat import pack, unpack
from .ground import Ground
from .scan import Entry
from .status import Why


class Stills:
    """Small ones in memory, large ones as copies without a name."""

    def __init__(self, ground: Ground, quiet: Quiet) -> None:
        self._ground = ground
        self._quiet = quiet
        self._small: dict[bytes, Captured] = {}
        self._large: dict[bytes, Steady] = {}

    def take(self, entry: Entry) -> None:
        """Capture a file. Raises VanishedError and NotNowError."""
        path, packed, _ = entry
        root, stat = self._ground.root, unpack(packed)
        if stat.is_link:
            self._small[path] = capture.link(root, path, packed)
        elif stat.size <= capture.WHOLE:
            self._small[path] = capture.whole(root, path, packed, self._quiet)
        else:
            self._large[path] = self._copy(path, packed)

    def small(self, path: bytes) -> Captured | None:
        """A small file as it was."""
        return self._small.get(path)

    def body(self, path: bytes) -> bytes:
        """Its bytes; none of a large one."""
        return self._small[path].body if path in self._small else b""

    def large(self, path: bytes) -> Steady | None:
        """A large file as it was, from its beginning."""
        copy = self._large.get(path)
        return None if copy is None else copy.again()

    def release(self) -> None:
        """Forget them all."""
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
