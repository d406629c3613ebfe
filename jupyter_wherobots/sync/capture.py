"""Reading a file so that what is put equals what it was at one instant.

Up to `WHOLE` bytes a file is read into one buffer between two equal fstats, and that buffer is put; whatever happens to
the file afterwards belongs to the next pass. A larger one is read as it is sent, and called off at the end if it changed
meanwhile (`Steady`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat as st
from pathlib import PurePosixPath
from typing import NamedTuple

from . import beneath
from .scan import pack, unpack
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
    """A small file at one instant: its bytes, their SHA-256, the packed stat at that instant."""

    body: bytes
    sha256: bytes
    stat: bytes


_CHANGING = "It is being written to."


def whole(root: int, path: bytes, expected: bytes) -> Captured:
    """Capture a file of up to `WHOLE` bytes. ``expected`` is the packed stat that the scan saw.

    What was found must be that very inode: otherwise a link may have been swapped in on the way to it. Raises
    VanishedError and NotNowError.
    """
    seen = unpack(expected)
    fd = _open(root, path)
    try:
        before = os.fstat(fd)
        if not st.S_ISREG(before.st_mode) or (before.st_dev, before.st_ino) != seen.identity:
            raise NotNowError(Why.CHANGING, "It was replaced while it was looked at.")
        size = before.st_size
        if size > WHOLE:
            raise NotNowError(Why.CHANGING, "It is growing.")
        body = os.read(fd, size + 1)
        while 0 < len(body) < size:
            more = os.read(fd, size + 1 - len(body))
            if not more:
                break
            body += more
        packed = pack(os.fstat(fd))
    except OSError as error:
        raise _unreadable(error) from error
    finally:
        os.close(fd)
    if len(body) != size or packed != pack(before):
        raise NotNowError(Why.CHANGING, _CHANGING)
    return Captured(body, hashlib.sha256(body).digest(), packed)


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
            raise NotNowError(Why.CHANGING, "It was replaced while it was looked at.") from error
        raise _unreadable(error) from error
    if packed != pack(before) or unpack(packed).identity != unpack(expected).identity:
        raise NotNowError(Why.CHANGING, "It was replaced while it was looked at.")
    return Captured(body, hashlib.sha256(body).digest(), packed)


class Steady:
    """A large file that is read front to back while it is sent, and hashed on the way.

    `check` raises NotNowError if it is not the same any more as when it was opened. A context manager.
    """

    def __init__(self, root: int, path: bytes, expected: bytes) -> None:
        self._fd = _open(root, path)
        info = os.fstat(self._fd)
        if not st.S_ISREG(info.st_mode) or (info.st_dev, info.st_ino) != unpack(expected).identity:
            os.close(self._fd)
            raise NotNowError(Why.CHANGING, "It was replaced while it was looked at.")
        self.stat = pack(info)
        self.size = info.st_size
        self._hash = hashlib.sha256()
        self._at = 0

    def __enter__(self) -> Steady:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

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
        if pack(os.fstat(self._fd)) != self.stat:
            raise NotNowError(Why.CHANGING, _CHANGING)

    @property
    def sha256(self) -> bytes:
        """Of what was read until now."""
        return self._hash.digest()


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


def save_sibling(path: bytes) -> bytes:
    """What Jupyter calls the copy of the old version while it saves in place: ``a/.~nb.ipynb``."""
    posix = PurePosixPath(os.fsdecode(path))
    return os.fsencode(posix.with_name(".~" + posix.name))


def is_saving(root: int, path: bytes) -> bool:
    """Whether Jupyter is in the middle of saving a file (or died there)."""
    try:
        beneath.lstat(root, save_sibling(path))
    except OSError as error:
        return not beneath.is_gone(error)
    return True


def _open(root: int, path: bytes) -> int:
    try:
        return beneath.open_file(root, path)
    except OSError as error:
        if beneath.is_gone(error):
            raise VanishedError from error
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise NotNowError(Why.CHANGING, "It was replaced while it was looked at.") from error
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> NotNowError:
    return NotNowError(Why.UNREADABLE, f"It cannot be read: {error.strerror or error}.")
