"""Files in the home directory, reached so that no link and no ``..`` ever leads out of it.

Every path is walked folder by folder from an open one (``O_NOFOLLOW``), so that swapping a folder for a link
at any moment ends in an error, never somewhere else.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidPath, NotFound, WherobotsError
from ..files import check_regular, rename_to_new, spoken

_MAX_NAME = 255
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class HomeFile:
    """A regular file (or an empty folder) below something that was walked. ``path`` is relative to home."""

    path: str
    size: int
    is_empty_folder: bool = False


class Home:
    """The home directory. Paths are relative to it, with slashes; they come from people, so they are judged here."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def segments(self, path: str) -> list[str]:
        """The names on the way to a path. Raises InvalidPath for what is no path in home."""
        found = path.split("/")
        for name in found:
            if name in ("", ".", ".."):
                raise InvalidPath(
                    f"{path!r} is not a path in the home directory.",
                    path=path,
                    hint="Paths of home are relative to it, such as notebooks/a.ipynb.",
                )
            try:
                size = len(name.encode())
            except UnicodeEncodeError:
                shown = path.encode(errors="backslashreplace").decode()
                raise InvalidPath(f"{shown} is not UTF-8, which keys are.", path=shown) from None
            if "\0" in name or size > _MAX_NAME:
                raise InvalidPath(f"{name!r} cannot be a name in the home directory.", path=path)
        return found

    def is_folder(self, path: str) -> bool:
        """Whether it is a folder (or else a regular file). Raises NotFound, NotPermitted for links and special files."""
        *above, name = self.segments(path)
        with self._folder(above, path) as folder, in_home(path):
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if not stat.S_ISDIR(mode):
            check_regular(mode, path)
        return stat.S_ISDIR(mode)

    def walk(self, path: str) -> Iterator[HomeFile | WherobotsError]:
        """The regular files at or below a path, and folders that hold nothing; for what cannot be taken along, why not."""
        waiting = [path]
        while waiting:
            here = waiting.pop()
            try:
                found = self._look(here)
            except WherobotsError as error:
                yield error
                continue
            if isinstance(found, HomeFile):
                yield found
                continue
            if not found:
                yield HomeFile(here, 0, is_empty_folder=True)
            waiting += [f"{here}/{name}" for name in reversed(found)]

    def _look(self, path: str) -> HomeFile | list[str]:
        """A regular file, or the names in a folder. Raises what `is_folder` raises."""
        *above, name = self.segments(path)
        with self._folder(above, path) as folder, in_home(path):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            check_regular(found.st_mode, path)
            return HomeFile(path, found.st_size)
        with self._folder([*above, name], path) as folder, in_home(path):
            return sorted(os.listdir(folder))

    @contextmanager
    def open(self, path: str) -> Iterator[int]:
        """The descriptor of a regular file, for reading."""
        *above, name = self.segments(path)
        with self._folder(above, path) as folder:
            with in_home(path):
                # Without O_NONBLOCK a fifo would hold us until somebody writes to it.
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                handle = os.open(name, flags, dir_fd=folder)
            try:
                check_regular(os.fstat(handle).st_mode, path)
                yield handle
            finally:
                os.close(handle)

    def exists(self, path: str) -> bool:
        """Whether there is anything of that name, a link included."""
        *above, name = self.segments(path)
        try:
            with self._folder(above, path) as folder, in_home(path):
                os.stat(name, dir_fd=folder, follow_symlinks=False)
        except NotFound:
            return False
        return True

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it; those that are there are fine. Raises AlreadyExists if a file is in the way."""
        with self._folder(self.segments(path), path, make=True):
            pass

    @contextmanager
    def create(self, path: str, *, replace: bool) -> Iterator[int]:
        """A descriptor to write a new file to, which gets its name only when the block ends without an error.

        Raises AlreadyExists at the end if the name is taken and not to be replaced; folders above are made.
        """
        *above, name = self.segments(path)
        with self._folder(above, path, make=True) as folder:
            temporary = f".~{os.urandom(8).hex()}.wherobots"
            with in_home(path):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                handle = os.open(temporary, flags, 0o666, dir_fd=folder)
            try:
                with in_home(path):
                    try:
                        yield handle
                    finally:
                        os.close(handle)
                    if replace:
                        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
                    else:
                        rename_to_new(temporary, name, folder)
            finally:
                with suppress(FileNotFoundError):  # it has its name now
                    os.unlink(temporary, dir_fd=folder)

    def free_bytes(self) -> int:
        """Bytes that can still be written."""
        with in_home(""):
            found = os.statvfs(self._directory)
        return found.f_bavail * found.f_frsize

    @contextmanager
    def _folder(self, names: list[str], path: str, *, make: bool = False) -> Iterator[int]:
        """The descriptor of a folder, reached without following a link."""
        with in_home(path):
            # Home itself may be a link; what is in it belongs to the user.
            handle = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in names:
                with in_home(path):
                    if make:
                        with suppress(FileExistsError):
                            os.mkdir(name, dir_fd=handle)
                    below = os.open(name, _FOLDER, dir_fd=handle)
                os.close(handle)
                handle = below
            yield handle
        finally:
            os.close(handle)


def in_home(path: str) -> AbstractContextManager[None]:
    """Turn what the operating system says of a path in home into errors of ours."""
    return spoken(path, f"{path} in the home directory" if path else "The home directory")
