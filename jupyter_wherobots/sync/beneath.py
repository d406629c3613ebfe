"""Files below a folder, reached through its descriptor, never through a symbolic link and never outside it.

A path that is only checked first can be swapped for a link before it is used; so every step is taken from the open folder
above it. Paths are bytes, relative, without ``.`` and ``..`` (see `names`).
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def folder(root: int, path: bytes, *, create: bool = False) -> Iterator[int]:
    """The open folder at a path below ``root``, for as long as the block lasts. ``create`` makes what is missing.

    Raises NotADirectoryError where a link or a file lies in the way, FileNotFoundError where nothing does.
    """
    here = root
    try:
        for segment in path.split(b"/") if path else ():
            try:
                step = os.open(segment, _FOLDER, dir_fd=here)
            except FileNotFoundError:
                if not create:
                    raise
                with contextlib.suppress(FileExistsError):  # somebody may be quicker
                    os.mkdir(segment, 0o777, dir_fd=here)
                step = os.open(segment, _FOLDER, dir_fd=here)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise NotADirectoryError(
                        errno.ENOTDIR, "a link is in the way", segment
                    ) from error
                raise
            if here != root:
                os.close(here)
            here = step
        yield here
    finally:
        if here != root:
            os.close(here)


def open_folder(root: int, path: bytes, identity: tuple[int, int] | None) -> int:
    """Open a folder for scanning; ``identity`` is the (device, inode) its parent showed for it, None if nobody looked.

    One system call for a path of any depth whose identity tells if a link was swapped in on the way; else a call for each
    step. Raises OSError (ESTALE if it is not the folder that was meant).
    """
    if identity is None:
        with folder(root, path) as found:
            return os.open(b".", _FOLDER, dir_fd=found)
    try:
        fd = os.open(path or b".", _FOLDER, dir_fd=root)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        with folder(root, path) as found:
            fd = os.dup(found)
    stat = os.fstat(fd)
    if (stat.st_dev, stat.st_ino) != identity:
        os.close(fd)
        raise OSError(errno.ESTALE, "replaced while it was scanned", path)
    return fd


def open_file(root: int, path: bytes) -> int:
    """Open a file for reading; never blocks on a fifo, never follows a link at the end of the path.

    The caller compares `fstat` with what the scan saw, which tells a link that was swapped in on the way. Raises OSError.
    """
    try:
        return os.open(path, _READ, dir_fd=root)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        parent, _, name = path.rpartition(b"/")
        with folder(root, parent) as found:
            return os.open(name, _READ, dir_fd=found)


def head(root: int, path: bytes, size: int = 128) -> bytes:
    """What a file begins with, as `open_file` opens it; nothing if it cannot be read."""
    try:
        fd = open_file(root, path)
    except OSError:
        return b""
    try:
        return os.read(fd, size)
    except OSError:
        return b""
    finally:
        os.close(fd)


def lstat(root: int, path: bytes) -> os.stat_result:
    """The stat of what lies at a path, through no link at all. Raises OSError."""
    parent, _, name = path.rpartition(b"/")
    with folder(root, parent) as found:
        return os.stat(name, dir_fd=found, follow_symlinks=False)


def is_missing(root: int, path: bytes) -> bool:
    """Whether there is certainly nothing at a path; an error is no absence."""
    try:
        lstat(root, path)
    except OSError as error:
        return is_gone(error)
    return False


def readlink(root: int, path: bytes) -> bytes:
    """What a link says. Raises OSError."""
    parent, _, name = path.rpartition(b"/")
    with folder(root, parent) as found:
        return os.readlink(name, dir_fd=found)


def is_gone(error: OSError) -> bool:
    """Whether an error says for certain that nothing is there."""
    return error.errno in (errno.ENOENT, errno.ENOTDIR)
