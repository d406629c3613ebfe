"""Reading a file so that what is put equals what it was at one instant.

Up to `WHOLE` bytes a file is read into one buffer between two equal fstats, and that buffer is put; whatever happens to
the file afterwards belongs to the next pass. A larger one is read as it is sent, and called off if it changes
meanwhile (`Steady`); one that never rests is copied first, and the copy is put (`hot_copy`).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import stat as st
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..s3.client import Stop
from . import beneath
from .filestat import pack, unpack
from .status import Why

WHOLE = 16 * 1024 * 1024
"""Bytes up to which a file is read, hashed and put in one piece."""


class NotNowError(Exception):
    """A file cannot be captured now; ``why`` and the message say what is in the way. Another pass will try again."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why
        self.message = message


class VanishedError(Exception):
    """Nothing is there any more; the next scan decides what that means."""


class Captured(NamedTuple):
    """A file at one instant: its bytes (none of a large one), their SHA-256, the packed stat at that instant.

    ``racy``: it may have changed since without its stat telling.
    """

    body: bytes
    sha256: bytes
    stat: bytes
    racy: bool = False


_FICLONE = 0x40049409
"""ioctl_ficlone(2): share the blocks of another file."""
_CHUNK = 1024 * 1024
_RESERVE = 64 * 1024 * 1024
"""Bytes of the disk that a copy leaves free for whoever works in home."""
_PARSED = 1024 * 1024
_TAIL = 200
_NOTEBOOK_END = re.compile(rb'"nbformat"\s*:\s*\d+\s*,\s*"nbformat_minor"\s*:\s*\d+\s*\}\s*\Z')
"""nbformat sorts the names, so these two come last; inside a text their quotes would be escaped."""
_CHANGING = "It is being written to."
_REPLACED = "It was replaced while it was looked at."
_READS = 3
_TICKS = 8
_SECOND = 10**9
_TICK = 0.005
"""Seconds; the clock that stamps files moves every 1 to 10 ms."""


class Quiet:
    """Tells whether a file has rested for a tick of its file system's clock.

    Two equal fstats around a read prove nothing while the file carries the time of the present tick: a write in that tick
    changes no stamp. ``stamp`` tells the present time of the file system; ``since`` is one it told before.
    """

    def __init__(self, stamp: Callable[[], int], wait: Callable[[float], object]) -> None:
        self._stamp = stamp
        self._wait = wait
        self._since = stamp()

    def rest(self, fd: int) -> tuple[os.stat_result, bool]:
        """Wait a little until the file has rested; its fstat then, and whether it has."""
        info = os.fstat(fd)
        for _ in range(_TICKS):
            if info.st_ctime_ns < self._since:
                return info, True
            self._since = now = self._stamp()
            # A time to come (the clock was set back) is as good: the next write will not carry it.
            if info.st_ctime_ns < now or info.st_ctime_ns > now + _SECOND:
                return info, True
            self._wait(_TICK)
            info = os.fstat(fd)
        return info, False


def whole(root: int, path: bytes, expected: bytes, quiet: Quiet) -> Captured:
    """Capture a file of up to `WHOLE` bytes. ``expected`` is the packed stat that the scan saw.

    What was found must be that very inode: otherwise a link may have been swapped in on the way to it. Raises
    VanishedError and NotNowError.
    """
    fd = _open(root, path, expected)
    try:
        for _ in range(_READS):
            before, rested = quiet.rest(fd)
            size = before.st_size
            if size > WHOLE:
                raise NotNowError(Why.CHANGING, "It is growing.")
            body = _read(fd, size)
            after = os.fstat(fd)
            if rested and len(body) == size and pack(after) == pack(before):
                return Captured(body, hashlib.sha256(body).digest(), pack(before))
            # A log may never rest; but while it only grows, what it was at the first fstat is there to be read again.
            if 0 < size < after.st_size and _read(fd, size)[:size] == body[:size]:
                body = body[:size]
                return Captured(body, hashlib.sha256(body).digest(), pack(before), racy=True)
    except OSError as error:
        raise _unreadable(error) from error
    finally:
        os.close(fd)
    raise NotNowError(Why.CHANGING, _CHANGING)


def _read(fd: int, size: int) -> bytes:
    """The first ``size`` bytes, or fewer if there are fewer; one more if a single read gives it."""
    body = os.pread(fd, size + 1, 0)
    while 0 < len(body) < size:
        more = os.pread(fd, size - len(body), len(body))
        if not more:
            break
        body += more
    return body


def link(root: int, path: bytes, expected: bytes) -> Captured:
    """Capture a symbolic link: its body is what it says; where it leads is never looked at. Raises as `whole` does."""
    try:
        before = beneath.lstat(root, path)
        body = beneath.readlink(root, path)
        packed = pack(beneath.lstat(root, path))
    except OSError as error:
        if beneath.is_gone(error):
            raise VanishedError from error
        if error.errno == errno.EINVAL:
            raise NotNowError(Why.CHANGING, _REPLACED) from error
        raise _unreadable(error) from error
    # A link cannot be rewritten, only replaced by another inode.
    if packed != pack(before) or unpack(packed).identity != unpack(expected).identity:
        raise NotNowError(Why.CHANGING, _REPLACED)
    return Captured(body, hashlib.sha256(body).digest(), packed)


class Steady:
    """A large file that is read front to back while it is sent, and hashed on the way.

    `check` raises NotNowError if it is not the same any more as when it was opened. A context manager. Made by `steady`, by
    `hot_copy` (``hot``: the copy of a file that never rests) and by `database.snapshot`, which give the ``stat`` it stands for.
    """

    def __init__(
        self, fd: int, info: os.stat_result, *, hot: bool = False, stat: bytes | None = None
    ) -> None:
        self._fd = fd
        self.stat = pack(info) if stat is None else stat
        self.size = info.st_size
        self.hot = hot
        self.is_copy = hot or stat is not None
        self._hash = hashlib.sha256()
        self._at = 0

    def __enter__(self) -> Steady:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def again(self) -> Steady:
        """The same copy from its beginning."""
        fd = os.open(f"/proc/self/fd/{self._fd}", os.O_RDONLY | os.O_CLOEXEC)
        return Steady(fd, os.fstat(fd), stat=self.stat)

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most ``size``. Raises NotNowError as soon as the file is seen to change."""
        wanted = self.size - self._at if size < 0 else min(size, self.size - self._at)
        pieces = []
        try:
            while wanted > 0:
                piece = os.read(self._fd, wanted)
                if not piece:
                    raise NotNowError(Why.CHANGING, "It became shorter while it was read.")
                pieces.append(piece)
                wanted -= len(piece)
        except OSError as error:
            raise _unreadable(error) from error
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._hash.update(body)
        self._at += len(body)
        self.check()
        return body

    def check(self) -> None:
        """Raise NotNowError if the file changed since it was opened."""
        if not self.is_copy and pack(os.fstat(self._fd)) != self.stat:
            raise NotNowError(Why.CHANGING, _CHANGING)

    def head(self) -> bytes:
        """Its first 16 bytes."""
        return os.pread(self._fd, 16, 0)

    def ends_like_notebook(self) -> bool:
        """Whether the file begins and ends as a notebook does that was written to its end."""
        tail = os.pread(self._fd, _TAIL, max(0, self.size - _TAIL))
        return os.pread(self._fd, 1, 0) == b"{" and _NOTEBOOK_END.search(tail) is not None

    @property
    def is_read(self) -> bool:
        """Whether it was read to its end."""
        return self._at == self.size

    @property
    def sha256(self) -> bytes:
        """Of what was read until now."""
        return self._hash.digest()


def steady(root: int, path: bytes, expected: bytes, quiet: Quiet) -> Steady:
    """A large file as it is now. Raises VanishedError and NotNowError."""
    fd = _open(root, path, expected)
    try:
        info, rested = quiet.rest(fd)
        if not rested:
            raise NotNowError(Why.CHANGING, _CHANGING)
    except BaseException:
        os.close(fd)
        raise
    return Steady(fd, info)


def hot_copy(root: int, path: bytes, expected: bytes, into: Path, stop: Stop) -> Steady:
    """A copy of a large file that never rests, with as many bytes as it had at first.

    Where the file system can, it shares the blocks and is of one instant; else the bytes are those of several. It has no
    name in ``into`` and takes room there while it is open. Raises VanishedError and NotNowError (also if there is no room).
    """
    source = _open(root, path, expected)
    try:
        info = os.fstat(source)
        into.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=into) as file:
            copy = os.dup(file.fileno())
        try:
            _copy_bytes(source, copy, info.st_size, stop)
            os.lseek(copy, 0, os.SEEK_SET)
        except BaseException:
            os.close(copy)
            raise
    except OSError as error:
        text = f"It never rests, and cannot be copied: {error.strerror or error}."
        raise NotNowError(Why.CHANGING, text) from error
    finally:
        os.close(source)
    return Steady(copy, info, hot=True)


def _copy_bytes(source: int, copy: int, size: int, stop: Stop) -> None:
    with contextlib.suppress(OSError):
        fcntl.ioctl(copy, _FICLONE, source)
        os.ftruncate(copy, size)
        return
    space = os.fstatvfs(copy)
    if size + _RESERVE > space.f_bavail * space.f_frsize:
        raise NotNowError(Why.CHANGING, "It never rests, and there is no room for a copy of it.")
    at = 0
    while at < size:
        if stop.is_set():
            raise NotNowError(Why.WAITING, "The pass is over.")
        piece = os.pread(source, min(_CHUNK, size - at), at)
        if not piece:
            raise NotNowError(Why.CHANGING, "It became shorter while it was copied.")
        at += os.pwrite(copy, piece, at)


def is_notebook(path: bytes) -> bool:
    """Whether a file claims to be a notebook."""
    return path.endswith(b".ipynb")


def is_valid_notebook(body: bytes) -> bool:
    """Whether the bytes are a notebook that could be opened again: JSON with a list of cells (or worksheets)."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and any(
        isinstance(document.get(name), list) for name in ("cells", "worksheets")
    )


def looks_whole(body: bytes) -> bool:
    """Whether a notebook seems to be written to its end, without the time it takes to parse a large one (0.1 s for 10 MiB)."""
    if len(body) < _PARSED:
        return is_valid_notebook(body)
    return body[:1] == b"{" and _NOTEBOOK_END.search(body[-_TAIL:]) is not None


def save_sibling(path: bytes) -> bytes:
    """What Jupyter calls the copy of the old version while it saves in place: ``a/.~nb.ipynb``."""
    folder, slash, name = path.rpartition(b"/")
    return folder + slash + b".~" + name


def is_saving(root: int, path: bytes) -> bool:
    """Whether Jupyter is in the middle of saving a file (or died there)."""
    try:
        beneath.lstat(root, save_sibling(path))
    except OSError as error:
        return not beneath.is_gone(error)
    return True


def _open(root: int, path: bytes, expected: bytes) -> int:
    """Open the regular file that the scan saw, that very inode."""
    try:
        fd = beneath.open_file(root, path)
    except OSError as error:
        if beneath.is_gone(error):
            raise VanishedError from error
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise NotNowError(Why.CHANGING, _REPLACED) from error
        raise _unreadable(error) from error
    try:
        info = os.fstat(fd)
        if not st.S_ISREG(info.st_mode) or (info.st_dev, info.st_ino) != unpack(expected).identity:
            raise NotNowError(Why.CHANGING, _REPLACED)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _unreadable(error: OSError) -> NotNowError:
    return NotNowError(Why.UNREADABLE, f"It cannot be read: {error.strerror or error}.")
