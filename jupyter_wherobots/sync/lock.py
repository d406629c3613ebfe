"""One engine for each home: two would fight over one journal, and a conflict with oneself is nobody's wish."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path

from ..errors import AlreadyRunning

_HELD = (errno.EAGAIN, errno.EACCES)


class EngineLock:
    """A flock on the state directory's lock file and, where the file system allows, on the home folder itself.

    The second one holds when two engines of one home are given different state directories. Both end with
    the process, however it ends.
    """

    def __init__(self, home: Path, state: Path) -> None:
        """Take the lock. Raises AlreadyRunning with the process that has it, OSError if state is not usable."""
        self._fds: list[int] = []
        try:
            self._take(os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), home)
            os.ftruncate(self._fds[0], 0)
            os.pwrite(self._fds[0], str(os.getpid()).encode(), 0)
            folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._take(folder, home)
            except OSError as error:
                # NFS locks no folders. The first lock holds.
                if error.errno not in (errno.EBADF, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOLCK):
                    raise
        except BaseException:
            self.release()
            raise

    def _take(self, fd: int, home: Path) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(fd) if error.errno in _HELD else None
            os.close(fd)
            if error.errno in _HELD:
                who = f"process {holder}" if holder else "another process"
                raise AlreadyRunning(
                    f"{home} is already synchronised by {who}.",
                    hint="Ask the running server instead (`jupyter wherobots status`), or stop it first.",
                ) from error
            raise
        self._fds.append(fd)

    def release(self) -> None:
        """Let go of it. Safe to call twice."""
        for fd in self._fds:
            with suppress(OSError):
                os.close(fd)
        self._fds.clear()


def _holder(fd: int) -> int | None:
    """The process that has the flock, as the kernel lists it."""
    info = os.fstat(fd)
    inode = f":{info.st_ino} "
    with suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            found = re.match(r"\d+: FLOCK\s+\S+\s+\S+\s+(\d+)\s", line)
            if found and inode in line:
                return int(found.group(1))
    with suppress(OSError, ValueError):
        return int(os.pread(fd, 20, 0))
    return None
