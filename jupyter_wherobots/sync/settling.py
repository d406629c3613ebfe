"""What becomes of one object of a restore: it is downloaded, taken for what lies in home already, or put beside that.

What lies in home already is never lost: the same bytes are taken as restored without a download; a file from before the
start that differs is moved aside, out of the mirror; one made since keeps its name, and S3's version comes beside it.

Runs in a crew's threads; the journal's rows are committed by `restore`.
"""

from __future__ import annotations

import errno
import os
import stat as st
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Cancelled, NotFound, PreconditionFailed, StorageFailed, WherobotsError
from ..s3 import ranges
from ..s3.objects import Body
from . import beneath, landing, sidecars
from .arrivals import Wish, local_stat
from .clock import Clock
from .crew import Governor
from .failpoints import failpoint
from .filestat import nearest, unpack
from .journal import Flag, Journal, Origin, Row
from .landing import Landed, Wanted
from .names import Names, beside
from .patience import Halt, Patience
from .remote import COPY_OF, MODE, MTIME, SHA256, SYMLINK, TYPE, Remote, kept_metadata
from .status import ConflictKind, NotDurable, Why, shown

_MAX_LINK = 4096
_SMALL = 1024 * 1024
_LARGE = 32 * 1024 * 1024
"""Bytes above which an object is worth several requests at once."""

Conflict = tuple[bytes, str, str, "bytes | None"]


@dataclass
class Fetched:
    """What became of one wish."""

    wish: Wish
    rows: list[tuple[bytes, Row | None]] = field(default_factory=list)
    size: int | None = None
    adopted: bool = False
    failure: NotDurable | None = None
    conflict: Conflict | None = None


class Settler:
    """Settles the wishes of one restore. ``root`` is the open home, ``aside`` where what gives way is moved to.

    ``conflicts`` gets what has to be told at once.
    """

    def __init__(
        self,
        root: int,
        aside: Path,
        journal: Journal,
        names: Names,
        remote: Remote,
        governor: Governor,
        clock: Clock,
        halt: Halt,
        conflicts: list[Conflict],
    ) -> None:
        self._root = root
        self._aside = aside
        self._journal = journal
        self._names = names
        self._remote = remote
        self._governor = governor
        self._clock = clock
        self._conflicts = conflicts
        self._twins = threading.Lock()
        self.renew(halt)

    def renew(self, halt: Halt) -> None:
        """Go on under another halt."""
        self._halt = halt
        self._patience = Patience(self._governor, self._clock, halt)

    def settle(self, wish: Wish) -> Fetched:
        """Bring one object; what fails is in the answer."""
        try:
            return self._patience.with_request(lambda: self._bring(wish))
        except (NotFound, PreconditionFailed):
            return self._changed_meanwhile(wish)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                message = "The disk is full."
            else:
                message = f"It cannot be written: {error.strerror or error}."
        except Cancelled:
            message = "The restore was stopped."
        except WherobotsError as error:
            message = error.message
        failure = NotDurable(shown(wish.path), Why.NOT_RESTORED, message, wish.size)
        return Fetched(wish, failure=failure)

    def _changed_meanwhile(self, wish: Wish) -> Fetched:
        """The listed version is not there any more: a newer one is taken, a deleted one is no wish."""
        try:
            found = self._patience.with_request(lambda: self._remote.head(wish.key))
        except WherobotsError as error:
            text = error.message
            return Fetched(
                wish, failure=NotDurable(shown(wish.path), Why.NOT_RESTORED, text, wish.size)
            )
        if found is None:
            return Fetched(wish, rows=[(wish.path, None)])
        mtime_ns = int(found.last_modified.timestamp()) * 10**9
        newer = wish._replace(etag=found.etag, size=found.size, mtime_ns=mtime_ns)
        fetched = self.settle(newer)
        fetched.wish = wish
        return fetched

    def _bring(self, wish: Wish) -> Fetched:
        # A small one is worth no look beforehand: if something lies there, the link will say so.
        if (wish.expected or wish.size > _SMALL) and local_stat(self._root, wish.path):
            return self._meet(wish)
        if wish.twin and (linked := self._link_twin(wish)) is not None:
            return linked
        try:
            landed, size = self._download(wish, wish.path)
        except FileExistsError:
            return self._meet(wish)
        except NotADirectoryError:
            return self._go_beside(wish, self._free_path(wish.path))
        return Fetched(wish, [(wish.path, self._row(wish, landed))], size)

    def _row(self, wish: Wish, landed: Landed) -> Row:
        key = None if self._names.key(wish.path) == wish.key else wish.key
        flags = int(Flag.UNSEEN | (Flag.LATE if wish.late else 0))
        return Row(landed.stat, landed.sha256, key, wish.etag, Origin.RESTORED, flags)

    def _link_twin(self, wish: Wish) -> Fetched | None:
        """Make a file another name of one that was restored and not touched since; None if it has to be downloaded."""
        with self._twins:
            row = self._journal.get(wish.twin)
            if row is None or row.flags & Flag.PENDING or not row.sha256:
                return None
            try:
                linked = landing.twin(self._root, wish.twin, row.stat, wish.path)
            except OSError:
                return None
            if linked is None:
                return None
            landed = Landed(linked, row.sha256)
            # The journal must know the new time of the inode before the next twin is compared with it.
            self._journal.commit([(wish.twin, row._replace(stat=linked))])
            return Fetched(wish, [(wish.path, self._row(wish, landed))], 0)

    def _download(self, wish: Wish, path: bytes) -> tuple[Landed, int]:
        try:
            return self._land(wish, path)
        except landing.OtherBytesError as error:
            # Who edits an object may keep the checksum of the bytes before. If the same come once more, S3 has them.
            return self._land(wish, path, error.sha256)

    def _land(self, wish: Wish, path: bytes, *others: str) -> tuple[Landed, int]:
        """``others``: checksums that are as good as the one beside the object."""
        if wish.size > _LARGE:
            opened = ranges.get(self._remote.s3, wish.key, wish.etag, stop=self._halt)
        else:
            opened = self._remote.get(wish.key, wish.etag)
        with opened as body:
            described = body.metadata
            mtime_ns = _number(described.get(MTIME), wish.mtime_ns)
            mode = _number(described.get(MODE), 0o644, 8) & 0o7777
            if wish.late is not None:
                mode, mtime_ns = wish.late.mode, wish.late.mtime_ns
            if described.get(TYPE) == SYMLINK and body.size <= _MAX_LINK:
                target = body.read()
                return landing.link(self._root, path, target, mtime_ns), body.size
            known = described.get(SHA256)
            wanted = Wanted(body.size, (known, *others) if known else (), mode, mtime_ns)
            return landing.file(self._root, path, self._coming(body, path), wanted), body.size

    def _coming(self, body: Body, path: bytes) -> Iterable[bytes]:
        """The bytes of an object, until the halt; ``path`` is where they go to."""
        for number, chunk in enumerate(body.chunks):
            if self._halt.is_set():
                raise Cancelled("The restore was stopped.")
            if (
                not number
                and chunk.startswith(sidecars.MAGIC)
                and beneath.is_missing(self._root, path)
            ):
                self._move_logs(path, self._aside)
            yield chunk

    # -- where something lies already -------------------------------------------------------------------

    def _meet(self, wish: Wish) -> Fetched:
        """Something lies where the object belongs."""
        local = landing.digest(self._root, wish.path)
        if local is not None and self._is_same(wish, local):
            return Fetched(wish, [(wish.path, self._row(wish, local))], adopted=True)
        if local is not None and wish.expected and local.stat == wish.expected:
            moved = landing.set_aside(self._root, wish.path, wish.expected, self._aside)
            failpoint("restore.set-aside")
            if moved is not None:
                self._tell_moved(wish.path, moved)
                self._move_logs(wish.path, _above(moved, wish.path))
                try:
                    landed, size = self._download(wish, wish.path)
                except FileExistsError:
                    return self._go_beside(wish, beside(wish.path, "from S3"))
                return Fetched(wish, [(wish.path, self._row(wish, landed))], size)
        return self._go_beside(wish, beside(wish.path, "from S3"))

    def _tell_moved(self, path: bytes, moved: Path) -> None:
        """Say at once where a file went: it may take long until S3's version is in its place."""
        kept_as = os.fsencode(moved)
        text = f"It differed from S3 when the server started: yours was moved to {shown(kept_as)}."
        conflict = (path, ConflictKind.REPLACED_LOCALLY.value, text, kept_as)
        self._journal.commit((), conflicts=[conflict])
        self._conflicts.append(conflict)

    def _move_logs(self, path: bytes, aside: Path) -> None:
        """Move the logs of a database that is gone from ``path`` aside, too: they would be played into one that comes there."""
        parent, _, name = path.rpartition(b"/")
        logs: list[bytes] = []
        with suppress(OSError), beneath.folder(self._root, parent) as folder:
            logs = sidecars.live(folder, [name + suffix for suffix in sidecars.SUFFIXES])
        for log in logs:
            beside_it = path + log[len(name) :]
            stat = local_stat(self._root, beside_it)
            if not stat or self._journal.get(beside_it) is not None:
                continue  # what S3 has of that name comes by itself
            moved = landing.set_aside(self._root, beside_it, stat, aside)
            if moved is not None:
                self._tell_moved(beside_it, moved)

    def _is_same(self, wish: Wish, local: Landed) -> bool:
        found = self._remote.head(wish.key)
        if found is None or found.etag != wish.etag:
            raise PreconditionFailed(f"{wish.key} changed.", path=wish.key)
        stat = unpack(local.stat)
        if (found.metadata.get(TYPE) == SYMLINK) != stat.is_link or found.size != stat.size:
            return False  # editors of objects keep the checksum that was beside the old bytes
        if known := found.metadata.get(SHA256):
            return known == local.sha256.hex()
        return self._remote.holds(wish.key, wish.etag, local.sha256)

    def _free_path(self, path: bytes) -> bytes:
        """A path that no file blocks: the first part that is not a folder gets another name."""
        segments = path.split(b"/")
        for count in range(1, len(segments)):
            upper = b"/".join(segments[:count])
            try:
                info = beneath.lstat(self._root, upper)
            except OSError:
                break
            if not st.S_ISDIR(info.st_mode):
                return b"/".join((beside(upper, "from S3"), *segments[count:]))
        return beside(path, "from S3")

    def _go_beside(self, wish: Wish, path: bytes) -> Fetched:
        """Give an object another name, in S3 too, since the name is taken by a file that is not S3's."""
        stem = path
        copy_of = wish.etag.strip('"')
        for number in range(2, 1000):
            known = self._journal.get(path) is not None
            # Free here is not free in S3: another object of that name may still be to come.
            there = self._remote.head(self._names.key(path))
            if there is None or (not known and there.metadata.get(COPY_OF) == copy_of):
                try:
                    landed, size = self._download(wish, path)
                    break
                except FileExistsError:
                    brought = None if known else landing.digest(self._root, path)
                    if brought is not None and self._is_same(wish, brought):
                        landed, size = brought, 0  # by an earlier try, which got no further
                        break
                except NotADirectoryError:
                    stem = path = self._free_path(path)
                    continue
            path = beside(stem, str(number))
        else:
            raise StorageFailed(f"There are too many versions of {shown(wish.path)}.")
        etag = self._copy(wish, path) if there is None else there.etag
        flags = int(Flag.UNSEEN)
        key = None if self._names.key(wish.path) == wish.key else wish.key
        rows: list[tuple[bytes, Row | None]] = [
            (path, Row(landed.stat, landed.sha256, None, etag, Origin.COPIED, flags)),
            # What lies at the name itself is newer, and S3's version of it is safe now.
            (wish.path, Row(b"", landed.sha256, key, wish.etag, Origin.RESTORED, flags)),
        ]
        text = f"A file of that name was made here first: S3's version is {shown(path)}."
        kind = ConflictKind.RESTORED_BESIDE.value
        return Fetched(wish, rows, size, conflict=(wish.path, kind, text, path))

    def _copy(self, wish: Wish, path: bytes) -> str:
        """Give an object another name in S3, too; returns the ETag that it has there."""
        found = self._remote.head(wish.key)
        described = kept_metadata(found.metadata if found is not None else {}, wish.etag)
        key = self._names.key(path)
        if self._names.is_odd(path):
            self._remote.put_name(self._names.name_key(path), path)
        return self._remote.copy(wish.key, wish.etag, key, None, described, wish.size)


def _above(moved: Path, path: bytes) -> Path:
    """The folder below which a file was moved to its path."""
    return moved.parents[path.count(b"/")]


def _number(text: str | None, default: int, base: int = 10) -> int:
    """A number from metadata, which anybody may have written."""
    try:
        found = int(text, base) if text else default
    except ValueError:
        return default
    return found if found == nearest(found) else default
