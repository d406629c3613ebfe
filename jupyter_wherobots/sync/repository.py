"""Git repositories: what refs point to is in S3 before they are.

Git writes objects before the refs that name them, and removes loose objects only after the pack that holds them is there. So
the heads of a repository (everything in ``.git`` but its objects) are captured first, then the objects are
looked for and put, and only when none of them vanished meanwhile are the captured heads put, ``HEAD`` itself after the branch
that it names. What was deleted is deleted the other way round. A repository that comes back from S3 is then one that
existed, however busy it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from ..errors import NotFound, PreconditionFailed
from . import beneath
from .filestat import pack
from .ground import Ground, Tally
from .journal import Flag, Journal, Row
from .plan import Put
from .scan import Entry, Scan

_GIT = b".git"
_OBJECTS = b"objects"
_PACK = b"/pack"
_LISTS = b"info"
_LIST_OF_PACKS = b"multi-pack-index"
_HEAD = b"HEAD"
_REFS = b"refs"
_LOGS = b"logs"
_REF = b"ref: "
_PACKED_REFS = b"/packed-refs"
_NOT_OURS = int(Flag.PENDING | Flag.REMOTE_GONE | Flag.REMOTE_CHANGED)


class Heads(NamedTuple):
    """What of one repository waits for its objects. ``folder`` is its ``.git``."""

    folder: bytes
    puts: tuple[Put, ...]


def git_folder(path: bytes) -> bytes | None:
    """The ``.git`` folder that a path lies in, or None."""
    segments = path.split(b"/")
    for count, segment in enumerate(segments[:-1], 1):
        if segment == _GIT:
            return b"/".join(segments[:count])
    return None


def is_object(path: bytes, folder: bytes) -> bool:
    """Whether a file in a ``.git`` folder holds objects (also those of submodules and of large file storage).

    What only lists objects, such as the commit graph, points to them as a branch does.
    """
    names = path[len(folder) + 1 :].split(b"/")
    if _OBJECTS not in names[:-1] or names[-1].startswith(_LIST_OF_PACKS):
        return False
    return names[names.index(_OBJECTS) + 1] != _LISTS


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


def heads_of(scan: Scan, folder: bytes, journal: Journal) -> list[Put]:
    """The heads of a repository that are not as S3 has them, by a scan of its ``.git`` folder."""
    return [put for put in _unsaved(scan, journal) if not is_object(put.entry.path, folder)]


def objects_of(scan: Scan, folder: bytes, journal: Journal) -> list[Put]:
    """The same of its objects."""
    return [put for put in _unsaved(scan, journal) if is_object(put.entry.path, folder)]


def _unsaved(scan: Scan, journal: Journal) -> Iterator[Put]:
    """What is not as S3 has it; what is still to be restored is locked."""
    for entry in scan.changed:
        row = journal.get(entry.path)
        if row is None or not row.flags & Flag.PENDING:
            yield Put(entry, row)


def object_folders(scan: Scan) -> list[bytes]:
    """The folders to look for objects in, in this order: an object that leaves one is in a later one before."""
    found = [path for path in scan.folders if path.endswith(b"/" + _OBJECTS)]
    return [place for path in found for place in (path, path + _PACK) if place in scan.folders]


def lost_objects(before: Scan, after: Sequence[Scan]) -> bool:
    """Whether objects may have been thrown away between two looks, such as heads captured between the two still need."""
    later = {entry.path for scan in after for entry in scan.changed}
    folders = {path: info for scan in after for path, info in scan.folders.items()}
    packed_anew = any(
        path not in folders or folders[path].st_mtime_ns != info.st_mtime_ns
        for path, info in before.folders.items()
        if path.endswith(b"/" + _OBJECTS + _PACK)
    )
    return packed_anew or any(
        entry.path not in later
        for entry in before.changed
        if (folder := git_folder(entry.path)) is not None and is_object(entry.path, folder)
    )


def unsettled(paths: Iterable[bytes]) -> set[bytes]:
    """The repositories of which something is not saved: nothing of them may be deleted."""
    return {folder for path in paths if (folder := git_folder(path)) is not None}


def is_head(path: bytes) -> bool:
    """Whether a file in a ``.git`` folder says what is checked out (also that of a submodule or of another working tree)."""
    *above, name = path.split(b"/")
    return name == _HEAD and _LOGS not in above and _REFS not in above


def is_packed_refs(path: bytes) -> bool:
    """Whether a file in a ``.git`` folder lists branches and tags."""
    return path.endswith(_PACKED_REFS)


def is_ref(path: bytes) -> bool:
    """Whether a file in a ``.git`` folder is a branch or a tag, lists them, or says which is checked out."""
    above = path.split(b"/")[:-1]
    is_one = _REFS in above and _LOGS not in above
    return is_one or is_packed_refs(path) or is_head(path)


def named(head: bytes) -> list[bytes]:
    """The branch that a ``HEAD`` with these bytes names, or none."""
    return [head[len(_REF) :].strip()] if head.startswith(_REF) else []


def pointers(folder: bytes) -> list[bytes]:
    """The paths in a folder of a repository that mean something only together: what is checked out, the list of branches."""
    if _OBJECTS in folder.split(b"/"):
        return []
    head = folder + b"/" + _HEAD
    return [head, folder + _PACKED_REFS] if is_head(head) else []


def listed(
    packed: Put, body: bytes, wanted: Collection[bytes], journal: Journal, root: int
) -> Iterator[tuple[Put, bytes]]:
    """Branches that are to be put as files of their own although git has them in a list only, and what they say then.

    Those of ``wanted`` that S3 does not have so; and those that it still has from before, saying something else: git believes
    such a file before the list, and it is deleted in S3 only when it was found gone twice, so an instance that
    starts before would have the branch as it was some commits ago. ``body`` is that of the list.
    """
    place = packed.entry.path.removesuffix(_PACKED_REFS)
    for line in body.splitlines():
        value, _, ref = line.partition(b" ")
        path = place + b"/" + ref
        if not ref.startswith(_REFS + b"/"):
            continue
        row = journal.get(path)
        if row is not None and row.flags & _NOT_OURS:
            continue
        said = value + b"\n"
        known = row.sha256 if row is not None and row.etag else None
        needed = ref in wanted if known is None else known != hashlib.sha256(said).digest()
        if needed and beneath.is_missing(root, path):
            stat = row.stat if row is not None and row.stat else packed.entry.stat
            yield Put(Entry(path, stat, 1), row), said


class Branches:
    """What S3 has of the branches of one repository, as far as the journal knows. ``folder`` is its ``.git``."""

    def __init__(self, ground: Ground, tally: Tally, folder: bytes) -> None:
        self._ground = ground
        self._unsaved = tally.unsaved
        self._folder = folder

    def has(self, head: bytes, body: bytes) -> bool:
        """Whether S3 has the branch that a ``HEAD`` at this path with these bytes names, or there is none in home either.

        Raises StorageError.
        """
        # A submodule has branches of its own, another working tree those of the repository.
        places = {head.rpartition(b"/")[0], self._folder}
        return all(self._has(place, ref) for ref in named(body) for place in places)

    def _has(self, place: bytes, ref: bytes) -> bool:
        path, packed = place + b"/" + ref, place + _PACKED_REFS
        root, journal = self._ground.root, self._ground.journal
        if path in self._unsaved:
            return False
        row = journal.get(path)
        if row is not None and row.etag and not row.flags & Flag.REMOTE_GONE:
            return True
        row = journal.get(packed)
        if packed in self._unsaved:
            return row is not None and self._lists(packed, row, ref)
        try:
            now = pack(beneath.lstat(root, packed))
        except OSError as error:
            if not beneath.is_gone(error):
                return False
        else:
            if row is None or row.stat != now:
                return False  # packed after the scan
        return beneath.is_missing(root, path)

    def _lists(self, packed: bytes, row: Row, ref: bytes) -> bool:
        """Whether a branch is on the list that S3 has."""
        if not row.etag:
            return False
        key = row.key or self._ground.names.key(packed)
        try:
            with self._ground.remote.get(key, row.etag) as body:
                return b" " + ref + b"\n" in body.read()
        except (NotFound, PreconditionFailed):
            return False


def has_stale_heads(folder: bytes, journal: Journal) -> bool:
    """Whether S3 has heads of a repository that are gone from home: they may still need what is gone too."""
    return any(
        row.etag
        and row.flags & (Flag.ABSENT | Flag.HELD)
        and not is_object(path + b"/" + name, folder)
        for path in journal.folders()
        if path == folder or path.startswith(folder + b"/")
        for name, row in journal.folder(path).items()
    )
