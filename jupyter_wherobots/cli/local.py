"""Files of this machine, for copies from and to the managed storage.

It is the person's own shell, so every path is theirs to name, links included. Links that are only met on the way are
not followed, and names that come from S3 never lead out of the folder that was named.
"""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import AlreadyExists, InvalidPath, WherobotsError
from ..files import check_regular, rename_to_new, spoken

_MAX_NAME = 255
"""Bytes of one name, on every file system in use."""


@dataclass(frozen=True)
class LocalFile:
    """A regular file, or a folder that holds nothing; ``below`` is its path from the folder that was walked."""

    path: Path
    below: str
    size: int
    is_empty_folder: bool = False


def find(text: str) -> Path:
    """The file or folder that a person named; a link is followed. Raises NotFound, NotPermitted for what is neither."""
    with spoken(text):
        path = Path(os.path.realpath(text, strict=True))
        mode = path.stat().st_mode
    if not stat.S_ISDIR(mode):
        check_regular(mode, text)
    return path


def name_of(text: str) -> str:
    """The last name of a path, also of ``.`` and ``..``; empty for the root."""
    return os.path.basename(os.path.abspath(text))


def walk(top: Path) -> Iterator[LocalFile | WherobotsError]:
    """The regular files at or below a path, and empty folders; for what cannot be taken along, why not.

    A folder is read when its turn comes, so that the size of the tree does not matter.
    """
    waiting = [""]
    while waiting:
        below = waiting.pop()
        path = top / below
        try:
            with spoken(str(path)):
                found = os.lstat(path)
                names = sorted(os.listdir(path)) if stat.S_ISDIR(found.st_mode) else None
            if names is None:
                check_regular(found.st_mode, str(path))
        except WherobotsError as error:
            yield error
            continue
        if names is None:
            yield LocalFile(path, below, found.st_size)
        elif not names:
            yield LocalFile(path, below, 0, is_empty_folder=True)
        else:
            waiting += [f"{below}/{name}" if below else name for name in reversed(names)]


@contextmanager
def reading(path: Path) -> Iterator[int]:
    """The descriptor of a regular file."""
    with spoken(str(path)):
        # Without O_NONBLOCK a fifo would hold us until somebody writes to it.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(path, flags)
    try:
        check_regular(os.fstat(handle).st_mode, str(path))
        yield handle
    finally:
        os.close(handle)


def read_at(handle: int, start: int, size: int) -> bytes:
    """``size`` bytes from ``start``, or what is there."""
    content = os.pread(handle, size, start)
    while len(content) < size and (
        more := os.pread(handle, size - len(content), start + len(content))
    ):
        content += more
    return content


def write(handle: int, chunk: bytes) -> None:
    """All of it."""
    view = memoryview(chunk)
    while view:
        view = view[os.write(handle, view) :]


# -- where something comes to lie ------------------------------------------------------------------


def check_place(target: Path, *, replace: bool) -> None:
    """Raise AlreadyExists if the name is taken and not to be replaced, NotPermitted rather than replace a link or a device."""
    with spoken(str(target)):
        try:
            mode = os.lstat(target).st_mode
        except FileNotFoundError:
            return
    if not replace or stat.S_ISDIR(mode):
        raise AlreadyExists(f"{target} already exists.", path=str(target))
    check_regular(mode, str(target))


def free(path: Path, ending: str, given: Collection[Path]) -> Path:
    """The path itself or the next numbered one that nothing lies at; ``ending`` is ``/`` for a folder."""
    from ..storage.naming import numbered

    candidate, number = path, 0
    while candidate in given or os.path.lexists(candidate):
        number += 1
        candidate = path.with_name(numbered(path.name + ending, number).removesuffix("/"))
    return candidate


def below(folder: Path, relative: str) -> Path:
    """The path of a key in a folder. Raises InvalidPath for what no file system has a name for, or what would lead out."""
    for name in relative.split("/"):
        if name in ("", ".", "..") or "\0" in name or len(os.fsencode(name)) > _MAX_NAME:
            raise InvalidPath(
                f"{relative} cannot lie on a disk: {name!r} is no name for a file.",
                path=relative,
                hint="Copy it to another name in the managed storage first.",
            )
    return folder / relative


def make_folders(base: Path, path: Path) -> None:
    """Make a folder below ``base`` and those between; those that are there are fine, links are not followed.

    Raises AlreadyExists if a file or a link is in the way.
    """
    with spoken(str(base)):
        base.mkdir(parents=True, exist_ok=True)
    here = base
    for name in path.relative_to(base).parts:
        here /= name
        with spoken(str(here)):
            with suppress(FileExistsError):
                here.mkdir()
            is_folder = stat.S_ISDIR(os.lstat(here).st_mode)
        if not is_folder:
            raise AlreadyExists(f"A file or a link is in the way: {here}.", path=str(here))


def free_bytes(path: Path) -> int:
    """Bytes that can still be written where a path is, or will be."""
    while not path.exists():
        path = path.parent
    with spoken(str(path)):
        return shutil.disk_usage(path).free


class Staging:
    """Files that are not whole yet. Each is written beside its place under a name of its own, and renamed at the end."""

    def __init__(self) -> None:
        self._open: set[Path] = set()
        self._lock = threading.Lock()

    @contextmanager
    def file(self, target: Path, *, replace: bool) -> Iterator[int]:
        """A descriptor to write to; ``target`` is there only when the block ends without an error.

        A file that is replaced keeps its permissions. Raises AlreadyExists at the end if the name is taken and not
        to be replaced.
        """
        temporary = target.with_name(f".~{os.urandom(8).hex()}.wherobots")
        with self._lock:
            self._open.add(temporary)
        try:
            with spoken(str(target)):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                handle = os.open(temporary, flags, 0o666)
                try:
                    if replace:
                        with suppress(FileNotFoundError):
                            os.fchmod(handle, os.lstat(target).st_mode & 0o777)
                    yield handle
                finally:
                    os.close(handle)
                if replace:
                    check_place(target, replace=True)
                    os.replace(temporary, target)
                else:
                    rename_to_new(temporary, target)
        finally:
            self._remove(temporary)

    def clear(self) -> None:
        """Remove what is left, of threads that do not end in time."""
        for temporary in tuple(self._open):
            self._remove(temporary)

    def _remove(self, temporary: Path) -> None:
        with suppress(OSError):  # mostly: it has its name now
            temporary.unlink()
        with self._lock:
            self._open.discard(temporary)
