"""Deleting in S3 what was deleted in home, and finding out what became of writes that nobody waited for.

Deletions come last in a pass, each on the condition that the object still is the version the journal has.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import NotFound, PreconditionFailed, WherobotsError
from . import beneath
from .crew import Crew
from .failpoints import failpoint
from .filestat import unpack
from .ground import Ground, Tally
from .journal import Flag, Intent, Origin, Row
from .patience import Patience
from .plan import Delete
from .remote import MARK
from .repository import git_folder, has_stale_heads, is_object, unsettled
from .scan import Entry
from .status import ConflictKind
from .writing import Conflict

_BATCH = 2000


def unrisky(deletes: Iterable[Delete], unsaved: Mapping[bytes, Entry]) -> list[Delete]:
    """The deletions that cannot take the last copy of something.

    No file that is still to be saved may be the deleted one under a new name, and no repository be half saved.
    """
    inodes = {unpack(entry.stat).identity for entry in unsaved.values()}
    sizes = {unpack(entry.stat).size for entry in unsaved.values()} - {0}
    repositories = unsettled(unsaved)
    safe = []
    for delete in deletes:
        if repositories and git_folder(delete.path) in repositories:
            continue
        if delete.row.stat:
            last = unpack(delete.row.stat)
            if last.identity in inodes or last.size in sizes:
                continue
        safe.append(delete)
    return safe


@dataclass
class Removed:
    """What became of one deletion. ``forget``: its row means nothing any more. ``settled``: it stays as it is, and no write
    of it is in doubt.
    """

    path: bytes
    forget: bool = False
    settled: bool = False
    deleted: bool = False
    row: Row | None = None
    conflict: Conflict | None = None


class Remover:
    """Deletes for one pass."""

    def __init__(self, ground: Ground, tally: Tally) -> None:
        self._root = ground.root
        self._journal = ground.journal
        self._names = ground.names
        self._remote = ground.remote
        self._governor = ground.governor
        self._clock = ground.clock
        self._halt = ground.halt
        self._patience = Patience(ground.governor, ground.clock, ground.halt)
        self._may_replace = ground.may_replace
        self._tally = tally

    # -- deletions --------------------------------------------------------------------------------------

    def remove(self, deletes: Sequence[Delete], told: Callable[[], None]) -> None:
        """Delete; what fails is tried again in the next pass. Returns at a halt too.

        Of a repository the heads go first, and the objects only when S3 has none of the heads that are gone from home.
        """
        objects: list[Delete] = []
        others: list[Delete] = []
        for delete in deletes:
            folder = git_folder(delete.path)
            is_one = folder is not None and is_object(delete.path, folder)
            (objects if is_one else others).append(delete)
        self._remove_all(others, told)
        folders = {git_folder(delete.path) for delete in objects} - {None}
        stale = {each for each in folders if each and has_stale_heads(each, self._journal)}
        self._remove_all([each for each in objects if git_folder(each.path) not in stale], told)

    def _remove_all(self, deletes: Sequence[Delete], told: Callable[[], None]) -> None:
        for start in range(0, len(deletes), _BATCH):
            if self._halt.is_set():
                return
            crew: Crew[Delete, Removed] = Crew(
                deletes[start : start + _BATCH],
                self._remove,
                self._governor,
                self._clock,
                self._halt,
            )
            crew.run(lambda batch: self._deliver(batch, told))

    def _deliver(self, batch: list[Removed], told: Callable[[], None]) -> None:
        rows: list[tuple[bytes, Row | None]] = []
        conflicts = []
        for removed in batch:
            self._tally.deleted += removed.deleted
            if removed.forget or removed.row is not None:
                rows.append((removed.path, removed.row))
            if removed.conflict is not None:
                conflicts.append(removed.conflict)
        settled = [path for path, _ in rows] + [each.path for each in batch if each.settled]
        self._journal.commit(rows, settled=settled, conflicts=conflicts)
        self._tally.conflicts += conflicts
        told()

    def _remove(self, delete: Delete) -> Removed:
        path, row = delete
        if not self._may_replace():
            return Removed(path)
        try:
            info = beneath.lstat(self._root, path)
        except OSError as error:
            if not beneath.is_gone(error):
                return Removed(path)
        else:
            if not stat.S_ISDIR(info.st_mode):
                return Removed(path)  # it is back; the next scan sees it
        key = row.key or self._names.key(path)
        try:
            return self._remove_version(path, key, row.etag)
        except WherobotsError:
            return Removed(path)

    def _remove_version(self, path: bytes, key: str, etag: str) -> Removed:
        try:
            self._patience.with_request(lambda: self._remote.delete(key, etag))
        except NotFound:
            pass
        except PreconditionFailed:
            found = self._patience.with_request(lambda: self._remote.head(key))
            if self._halt.is_set():
                return Removed(path)
            if found is not None and found.etag != etag:
                if found.metadata.get(MARK) in self._journal.intents(path):
                    return self._remove_version(path, key, found.etag)
                kind = ConflictKind.KEPT_REMOTELY.value
                text = "It was deleted here, but changed in S3 before: it stays there."
                return Removed(path, forget=True, conflict=(path, kind, text, None))
            if found is not None:
                return Removed(path)
        failpoint("removal.deleted")
        if key == self._names.odd_key(path):
            self._remove_name(path)
        return Removed(path, forget=True, deleted=True)

    def _remove_name(self, path: bytes) -> None:
        """The small object with the name of an odd key; its content follows from its key, so no version of it is a user's."""
        key = self._names.name_key(path)
        found = self._patience.with_request(lambda: self._remote.head(key))
        if found is not None:
            self._patience.with_request(lambda: self._remote.delete(key, found.etag))

    # -- writes that nobody waited for --------------------------------------------------------------------

    def settle(self, intents: Sequence[Intent]) -> None:
        """Find out about writes of a process that was killed, or of files that are gone since; abort open uploads."""
        by_path: dict[bytes, list[Intent]] = {}
        for intent in intents:
            by_path.setdefault(intent.path, []).append(intent)
        crew: Crew[list[Intent], Removed] = Crew(
            list(by_path.values()), self._settle, self._governor, self._clock, self._halt
        )
        crew.run(lambda batch: self._deliver(batch, lambda: None))

    def _settle(self, intents: list[Intent]) -> Removed:
        path, key = intents[0].path, intents[0].key
        try:
            for intent in intents:
                if intent.upload:
                    self._remote.abort(key, intent.upload)
            found = self._patience.with_request(lambda: self._remote.head(key))
        except WherobotsError:
            return Removed(path)
        row = self._journal.get(path)
        ours = found is not None and found.metadata.get(MARK) in self._journal.intents(path)
        if found is None or not ours or (row is not None and row.etag == found.etag):
            # Nothing of it arrived, or somebody has replaced it since. The row (if any) says what we know, and more by now if
            # it was restored meanwhile.
            return Removed(path, settled=True)
        key_if_odd = None if self._names.key(path) == key else key
        # A scan had seen it when the intent was written; its bytes are whatever was captured then.
        return Removed(path, row=Row(b"", b"", key_if_odd, found.etag, Origin.PUT, int(Flag(0))))
