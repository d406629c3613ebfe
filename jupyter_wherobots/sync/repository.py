"""Git repositories: what refs point to is in S3 before they are.

Git writes objects before the refs that name them, and removes loose objects only after the pack that holds them is there. So
the heads of a repository (everything in ``.git`` but its objects) are captured first, then the objects are
looked for and put, and only when none of them vanished meanwhile are the captured heads put. A repository that comes
back from S3 is then one that existed, however busy it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .plan import Put

_GIT = b".git"
_OBJECTS = b"objects"


class Heads(NamedTuple):
    """What of one repository waits for its objects. ``folder`` is its ``.git``."""

    folder: bytes
    puts: tuple[Put, ...]

    @property
    def objects(self) -> tuple[bytes, bytes]:
        """The folders to look for objects in, in this order: an object that leaves the first is in the second before."""
        objects = self.folder + b"/" + _OBJECTS
        return objects, objects + b"/pack"


def git_folder(path: bytes) -> bytes | None:
    """The ``.git`` folder that a path lies in, or None."""
    segments = path.split(b"/")
    for count, segment in enumerate(segments[:-1], 1):
        if segment == _GIT:
            return b"/".join(segments[:count])
    return None


def is_object(path: bytes, folder: bytes) -> bool:
    """Whether a file in a ``.git`` folder holds objects (also those of submodules and of large file storage)."""
    return _OBJECTS in path[len(folder) + 1 :].split(b"/")[:-1]


def split(puts: Sequence[Put]) -> tuple[list[Put], list[Heads]]:
    """What can be put as it comes, and what has to wait for its repository's objects."""
    ordinary: list[Put] = []
    waiting: dict[bytes, list[Put]] = {}
    for put in puts:
        folder = git_folder(put.entry.path)
        if folder is None or is_object(put.entry.path, folder):
            ordinary.append(put)
        else:
            waiting.setdefault(folder, []).append(put)
    return ordinary, [Heads(folder, tuple(heads)) for folder, heads in waiting.items()]


def unsettled(paths: Iterable[bytes]) -> set[bytes]:
    """The repositories of which something is not saved: nothing of them may be deleted."""
    return {folder for path in paths if (folder := git_folder(path)) is not None}
