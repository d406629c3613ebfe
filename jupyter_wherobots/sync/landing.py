"""Putting one restored file in its place: whole, verified, and never over something that was not expected there.

The bytes go into an unnamed inode of the folder they belong to (``O_TMPFILE``; a kill leaves nothing behind) or, where the
file system has none, into a staging file; only when they are all there and right are they linked to their name,
which fails if the name is taken. Everything is reached from the open home, through no link.
"""

from __future__ import annotations

import errno
import hashlib
import os
import queue
import secrets
import stat as st
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ..errors import StorageFailed
from . import beneath
from .failpoints import failpoint
from .filestat import pack, unpack
from .ignore import STAGED

_ASIDE = 32 * 1024 * 1024
_AHEAD = 8
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)


class Wanted(NamedTuple):
    """What a restored file is to be. ``sha256``: one of these, in hex; nothing if nobody knows."""

    size: int
    sha256: tuple[str, ...]
    mode: int
    mtime_ns: int


class Landed(NamedTuple):
    """What was put there: its packed stat and the SHA-256 of its bytes.

    ``stat`` is empty, and so equals no file's, if somebody was quick enough to change it since.
    """

    stat: bytes
    sha256: bytes


class OtherBytesError(StorageFailed):
    """The bytes have another checksum than the one that was put beside them; ``sha256`` is theirs, in hex."""

    def __init__(self, sha256: str) -> None:
        super().__init__("The bytes that came are not the ones that were put.")
        self.sha256 = sha256


@contextmanager
def _unnamed(folder: int, name: bytes) -> Iterator[tuple[int, bytes | None]]:
    """An open file in a folder that has no name yet, or (second value) a staging name."""
    staged = None
    try:
        fd = os.open(b".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        staged = STAGED + secrets.token_hex(8).encode()
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(staged, flags, 0o600, dir_fd=folder)
    try:
        yield fd, staged
    finally:
        os.close(fd)
        if staged is not None:
            with suppress(FileNotFoundError):
                os.unlink(staged, dir_fd=folder)


class _Hasher:
    """SHA-256 of what passes by; ``aside``: in a thread of its own, so that a large file is hashed while more of it arrives."""

    def __init__(self, aside: bool) -> None:
        self._hash = hashlib.sha256()
        self._chunks: queue.Queue[bytes | None] | None = None
        if aside:
            self._chunks = queue.Queue(_AHEAD)
            self._thread = threading.Thread(target=self._run, name="wherobots-hash", daemon=True)

    def __enter__(self) -> _Hasher:
        if self._chunks is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._chunks is not None:
            self._chunks.put(None)
            self._thread.join()

    def update(self, chunk: bytes) -> None:
        """The next bytes."""
        if self._chunks is not None:
            self._chunks.put(chunk)
        else:
            self._hash.update(chunk)

    def _run(self) -> None:
        assert self._chunks is not None
        while (chunk := self._chunks.get()) is not None:
            self._hash.update(chunk)

    @property
    def digest(self) -> bytes:
        """Of all bytes, once the block is left."""
        return self._hash.digest()


def file(root: int, path: bytes, chunks: Iterable[bytes], wanted: Wanted) -> Landed:
    """Create a file with these bytes.

    Raises FileExistsError if the name is taken, OtherBytesError if the bytes are not the right ones, OSError for what the
    file system refuses (ENOSPC, ENAMETOOLONG, a file where a folder belongs).
    """
    parent, _, name = path.rpartition(b"/")
    with (
        beneath.folder(root, parent, create=True) as folder,
        _unnamed(folder, name) as (fd, staged),
    ):
        size = 0
        with _Hasher(wanted.size > _ASIDE) as hasher:
            for chunk in chunks:
                hasher.update(chunk)
                size += len(chunk)
                _write(fd, chunk)
        digest = hasher.digest
        if size != wanted.size or (wanted.sha256 and digest.hex() not in wanted.sha256):
            raise OtherBytesError(digest.hex())
        os.fchmod(fd, wanted.mode)
        os.utime(fd, ns=(wanted.mtime_ns, wanted.mtime_ns))
        landed = os.fstat(fd)
        failpoint("restore.before-link")
        if staged is None:
            os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=folder, follow_symlinks=True)
        else:
            _place(folder, staged, name)
        failpoint("restore.after-link")
        now = os.fstat(fd)
        same = (now.st_size, now.st_mtime_ns) == (landed.st_size, landed.st_mtime_ns)
        return Landed(pack(now) if same else b"", digest)


def _place(folder: int, staged: bytes, name: bytes) -> None:
    """Give a staging file its name, unless that is taken."""
    try:
        os.link(staged, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        os.unlink(staged, dir_fd=folder)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # No hard links on this file system: look, then rename.
        with suppress(FileNotFoundError):
            os.stat(name, dir_fd=folder, follow_symlinks=False)
            raise FileExistsError(errno.EEXIST, "taken", name) from None
        os.rename(staged, name, src_dir_fd=folder, dst_dir_fd=folder)


def _write(fd: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(fd, view) :]


def link(root: int, path: bytes, target: bytes, mtime_ns: int) -> Landed:
    """Create a symbolic link. Raises as `file` does; where it leads is never looked at."""
    parent, _, name = path.rpartition(b"/")
    if not target or b"\0" in target:
        raise StorageFailed("The object is no symbolic link that could exist.")
    with beneath.folder(root, parent, create=True) as folder:
        os.symlink(target, name, dir_fd=folder)
        os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=folder, follow_symlinks=False)
        stat = os.stat(name, dir_fd=folder, follow_symlinks=False)
        same = st.S_ISLNK(stat.st_mode) and os.readlink(name, dir_fd=folder) == target
    return Landed(pack(stat) if same else b"", hashlib.sha256(target).digest())


def twin(root: int, path: bytes, expected: bytes, name: bytes) -> bytes | None:
    """Give the file at ``path`` the other name ``name`` too, if it still is as ``expected``; its packed stat then, or None.

    Raises OSError (FileExistsError if the name is taken).
    """
    parent, _, last = path.rpartition(b"/")
    other, _, new = name.rpartition(b"/")
    with beneath.folder(root, parent) as here, beneath.folder(root, other, create=True) as there:
        if pack(os.stat(last, dir_fd=here, follow_symlinks=False)) != expected:
            return None
        os.link(last, new, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
        now = os.stat(new, dir_fd=there, follow_symlinks=False)
    before = unpack(expected)
    same = unpack(pack(now))._replace(ctime_ns=before.ctime_ns) == before
    return pack(now) if same else None


def digest(root: int, path: bytes) -> Landed | None:
    """What lies at a path: stat and SHA-256, or None if nothing does (or nothing that can be read). Never follows a link."""
    try:
        info = beneath.lstat(root, path)
        if st.S_ISLNK(info.st_mode):
            return Landed(pack(info), hashlib.sha256(beneath.readlink(root, path)).digest())
        if not st.S_ISREG(info.st_mode):
            return None
        parent, _, name = path.rpartition(b"/")
        with beneath.folder(root, parent) as folder:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        with os.fdopen(fd, "rb") as opened:
            before = pack(os.fstat(fd))
            sha256 = hashlib.sha256()
            while chunk := opened.read(1024 * 1024):
                sha256.update(chunk)
            if pack(os.fstat(fd)) != before:
                return None
    except OSError:
        return None
    return Landed(before, sha256.digest())


def set_aside(root: int, path: bytes, expected: bytes, aside: Path) -> Path | None:
    """Move a file of home into ``aside``, if it still is as ``expected``; where it went, or None.

    ``aside`` is made on the way and may lie on another file system.
    """
    info = beneath.lstat(root, path)
    if pack(info) != expected:
        return None
    parent, _, name = path.rpartition(b"/")
    aside.mkdir(parents=True, exist_ok=True)
    top = os.open(aside, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # What was moved aside at an earlier start may have taken the name, or lie where a folder is needed.
        for number in range(1, 1000):
            below = b"" if number == 1 else b"%d/" % number
            try:
                with (
                    beneath.folder(root, parent) as folder,
                    beneath.folder(top, (below + parent).rstrip(b"/"), create=True) as there,
                ):
                    _move_aside(folder, there, name, info)
            except (FileExistsError, NotADirectoryError):
                continue
            return aside / os.fsdecode(below + path)
        raise FileExistsError(errno.EEXIST, "too many versions were moved aside", name)
    finally:
        os.close(top)


def _move_aside(folder: int, there: int, name: bytes, info: os.stat_result) -> None:
    """Move one file to a folder in which its name is free. Raises FileExistsError if it is not."""
    with suppress(FileNotFoundError):
        os.stat(name, dir_fd=there, follow_symlinks=False)
        raise FileExistsError(errno.EEXIST, "taken", name)
    try:
        os.rename(name, name, src_dir_fd=folder, dst_dir_fd=there)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_aside(folder, there, name, info)
        os.unlink(name, dir_fd=folder)


def _copy_aside(folder: int, there: int, name: bytes, info: os.stat_result) -> None:
    times = (info.st_atime_ns, info.st_mtime_ns)
    if st.S_ISLNK(info.st_mode):
        os.symlink(os.readlink(name, dir_fd=folder), name, dir_fd=there)
        return
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    with (
        os.fdopen(source, "rb") as reading,
        os.fdopen(os.open(name, flags, 0o600, dir_fd=there), "wb") as writing,
    ):
        while chunk := reading.read(1024 * 1024):
            writing.write(chunk)
        writing.flush()
        os.fchmod(writing.fileno(), st.S_IMODE(info.st_mode))
        os.utime(writing.fileno(), ns=times)
