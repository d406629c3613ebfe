"""What the file system says, in words, and what both sides of a copy ask of a file."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import (
    AlreadyExists,
    InvalidPath,
    NotFound,
    NotPermitted,
    StorageFailed,
    TooLarge,
    WherobotsError,
)

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@contextmanager
def spoken(path: str, name: str | None = None) -> Iterator[None]:
    """Turn what the operating system says into errors of ours, about ``path``; ``name`` is what people call it."""
    try:
        yield
    except OSError as error:
        raise from_os(error, path, name) from error


def from_os(error: OSError, path: str, name: str | None = None) -> WherobotsError:
    """The error that an `OSError` means: NotFound, NotPermitted, AlreadyExists, TooLarge, InvalidPath or StorageFailed."""
    name, code = name or path, error.errno
    if code == errno.ENOENT:
        return NotFound(f"{name} does not exist.", path=path, hint="Check the spelling.")
    if code in (errno.ELOOP, errno.ENOTDIR):  # which of the two a link gives depends on the kernel
        message = f"A file or a link is in the way of {name}; links are not followed."
        return NotPermitted(message, path=path)
    if code in (errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY):
        return AlreadyExists(f"{name} already exists.", path=path)
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        message = f"The file system does not allow it: {name} ({error.strerror})."
        return NotPermitted(message, path=path)
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return TooLarge(
            f"There is no room for {name} ({error.strerror}).",
            path=path,
            hint="Delete what is not needed there, then try again.",
        )
    if code == errno.ENAMETOOLONG:
        return InvalidPath(f"{name} is too long for the file system.", path=path)
    return StorageFailed(f"The file system failed at {name}: {error.strerror}.", path=path)


def check_regular(mode: int, path: str) -> None:
    """Raise NotPermitted for a link, a device, a fifo or a socket."""
    if stat.S_ISLNK(mode):
        raise NotPermitted(f"{path} is a link, and links are not followed.", path=path)
    if not stat.S_ISREG(mode):
        raise NotPermitted(f"{path} is not a regular file.", path=path)


def rename_to_new(
    temporary: str | os.PathLike[str], name: str | os.PathLike[str], folder: int | None = None
) -> None:
    """Give a file its name, both in an open ``folder`` if one is given. Raises FileExistsError if it is taken."""
    try:
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        return
    # A file system without hard links: then by looking first.
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(name))
