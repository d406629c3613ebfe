"""Bringing home back: one listing, then every object into its place, the most valuable first.

The listing comes first and whole: from then on the journal knows every key, and each that is not restored yet is
locked alone (`Flag.PENDING`), so that pushing may begin and one unreadable object stops nothing. A kill at
any moment leaves files that are whole and a journal that knows which are still to come.

What lies in home already is never lost: the same bytes are taken as restored without a download; a file from before the
start that differs is moved aside, out of the mirror; one made since keeps its name, and S3's version comes beside it.
"""

from __future__ import annotations

import errno
import os
import stat as st
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..errors import Cancelled, NotFound, PreconditionFailed, StorageFailed, WherobotsError
from ..s3.listing import Object
from . import beneath, landing
from .clock import Clock
from .crew import Crew, Governor
from .failpoints import failpoint
from .journal import Flag, Journal, Origin, Row
from .landing import Landed, Wanted
from .names import Landing, Names, OddName, beside
from .patience import Halt, Patience
from .plan import Value, value
from .remote import COPY_OF, MARK, MODE, MTIME, SHA256, SYMLINK, TYPE, Remote
from .scan import pack, unpack
from .status import ConflictKind, NotDurable, Why, shown

_RESERVE = 64 * 1024 * 1024
"""Bytes of the disk that a restore leaves free."""
_BATCH = 5000
_MAX_LINK = 4096

Conflict = tuple[bytes, str, str, "bytes | None"]


class Wish(NamedTuple):
    """One object that is to become a file. ``expected``: the packed stat of what lies there already, b"" for nothing."""

    path: bytes
    key: str
    etag: str
    size: int
    mtime_ns: int
    expected: bytes


@dataclass
class Fetched:
    """What became of one wish."""

    wish: Wish
    rows: list[tuple[bytes, Row | None]] = field(default_factory=list)
    size: int | None = None
    adopted: bool = False
    failure: NotDurable | None = None
    conflict: Conflict | None = None


@dataclass
class Harvest:
    """What a restore did, as it goes on."""

    objects: int = 0
    total_bytes: int = 0
    done: int = 0
    done_bytes: int = 0
    restored: int = 0
    already_there: int = 0
    failures: dict[bytes, NotDurable] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)


class Restorer:
    """Restores for one engine. ``root`` is the open home, ``aside`` where what gives way is moved to."""

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
    ) -> None:
        self._root = root
        self._aside = aside
        self._journal = journal
        self._names = names
        self._remote = remote
        self._governor = governor
        self._clock = clock
        self._halt = halt
        self._patience = Patience(governor, clock, halt)
        self.harvest = Harvest()
        self.wishes: list[Wish] = []
        self._folders: list[bytes] = []

    def renew(self, halt: Halt) -> Halt:
        """Go on under another halt: an earlier one may have been set off by an S3 that works again."""
        self._halt = halt
        self._patience = Patience(self._governor, self._clock, halt)
        return halt

    # -- the listing --------------------------------------------------------------------------------

    def learn(self) -> None:
        """Learn every key, and lock those that are to be restored. Raises StorageError; then nothing was changed."""
        objects = self._patience.with_request(lambda: list(self._remote.walk(self._names.prefix)))
        failpoint("restore.listed")
        places = self._places(objects)
        self.harvest.objects = len(places)
        rows: list[tuple[bytes, Row | None]] = []
        for path, found in places.items():
            wish = self._wish(path, found)
            if wish is None:
                self.harvest.already_there += 1
                continue
            self.wishes.append(wish)
            self.harvest.total_bytes += wish.size
            key = None if self._names.key(path) == found.key else found.key
            flags = int(Flag.PENDING | Flag.UNSEEN)
            row = Row(wish.expected, b"", key, found.etag, Origin.RESTORED, flags)
            if self._journal.get(path) != row:
                rows.append((path, row))
        rows += self._deleted_remotely(places)
        self._journal.commit(rows)
        self.wishes.sort(key=_order)
        failpoint("restore.locked")

    def _places(self, objects: Iterable[Object]) -> dict[bytes, Object]:
        """Where in home each object belongs. Two never share a place."""
        mapped = {row.key: path for path, row in self._journal.rows() if row.key is not None}
        files, folders = self._landings(objects, mapped)
        self._folders = sorted(folders)
        for path, _ in files:
            while (path := path.rpartition(b"/")[0]) and path not in folders:
                folders.add(path)
        places: dict[bytes, Object] = {}
        # Names that are what they say come first; others give way.
        for path, found in sorted(files, key=lambda each: self._names.key(each[0]) != each[1].key):
            taken = path in folders and found.key not in mapped
            place = path
            number = 1
            while taken or place in places:
                note = "S3 object" if number == 1 else f"S3 object {number}"
                place, taken, number = beside(path, note), False, number + 1
            places[place] = found
        return places

    def _landings(
        self, objects: Iterable[Object], mapped: Mapping[str, bytes]
    ) -> tuple[list[tuple[bytes, Object]], set[bytes]]:
        """The place that each key names, and the folders that have markers."""
        files: list[tuple[bytes, Object]] = []
        folders: set[bytes] = set()
        odd: dict[str, Object] = {}
        names: set[str] = set()
        for found in objects:
            place = self._names.landing(found.key)
            if found.key in mapped:
                files.append((mapped[found.key], found))
            elif isinstance(place, OddName):
                if place.is_name:
                    names.add(place.digest)
                else:
                    odd[place.digest] = found
            elif isinstance(place, Landing):
                if place.folder and not found.size:
                    folders.add(place.path)
                elif place.folder:
                    files.append((place.path + b"/%2F", found))
                else:
                    files.append((place.path, found))
        for digest, found in odd.items():
            path = self._odd_path(digest) if digest in names else None
            files.append((path or b"unnamed-" + digest.encode(), found))
        return files, folders

    def _odd_path(self, digest: str) -> bytes | None:
        key = self._names.names_prefix + digest + ".name"

        def read() -> bytes:
            with self._remote.get(key) as body:
                return body.read() if body.size <= 65536 else b""

        try:
            return self._names.odd_path(digest, self._patience.with_request(read))
        except (NotFound, PreconditionFailed):
            return None

    def _wish(self, path: bytes, found: Object) -> Wish | None:
        """What is to be done for one object; None if home has it, or is to decide itself (a later push finds out)."""
        row = self._journal.get(path)
        local = self._local(path)
        if row is not None and not row.flags & Flag.PENDING:
            if row.etag == found.etag or self._journal.intents(path):
                return None
            if local and local != row.stat:
                return None  # changed on both sides: the push keeps both
            expected = local
        elif row is not None and row.etag == found.etag:
            expected = row.stat
        else:
            expected = local
        mtime_ns = int(found.last_modified.timestamp()) * 10**9
        return Wish(path, found.key, found.etag, found.size, mtime_ns, expected)

    def _local(self, path: bytes) -> bytes:
        try:
            return pack(beneath.lstat(self._root, path))
        except OSError:
            return b""

    def _deleted_remotely(self, places: dict[bytes, Object]) -> list[tuple[bytes, Row | None]]:
        """Rows whose object is not there any more: not made again here, and not forgotten if home has the file."""
        rows: list[tuple[bytes, Row | None]] = []
        for path, row in self._journal.rows():
            if path in places or not row.etag or self._journal.intents(path):
                continue
            if row.flags & Flag.PENDING or not self._local(path):
                rows.append((path, None))
            elif not row.flags & Flag.REMOTE_GONE:
                rows.append((path, row._replace(flags=row.flags | Flag.REMOTE_GONE)))
        return rows

    # -- the files ----------------------------------------------------------------------------------

    def fetch(self, told: Callable[[], None]) -> None:
        """Bring what was listed, until done or halted; failures stay wishes. ``told`` is called on progress."""
        self._make_folders()
        wishes, self.wishes = self._fitting(), []
        left = set(wishes)
        try:
            for start in range(0, len(wishes), _BATCH):
                if self._halt.is_set():
                    break
                crew: Crew[Wish, Fetched] = Crew(
                    wishes[start : start + _BATCH],
                    self._fetch,
                    self._governor,
                    self._clock,
                    self._halt,
                )
                crew.run(lambda batch: self._deliver(batch, left, told))
        finally:
            self.wishes += sorted(left, key=_order)

    def _make_folders(self) -> None:
        for path in self._folders:
            try:
                with beneath.folder(self._root, path, create=True):
                    pass
            except OSError as error:
                self._fail(path, f"The folder cannot be made: {error.strerror}.", 0)
        self._folders = []

    def _fitting(self) -> list[Wish]:
        """The wishes that the disk has room for, in their order; the others stay, and are said."""
        space = os.fstatvfs(self._root)
        room = space.f_bavail * space.f_frsize - _RESERVE
        fitting = []
        for wish in self.wishes:
            if wish.size <= room or not wish.size:
                room -= wish.size
                fitting.append(wish)
            else:
                text = f"The disk has no room for its {wish.size} bytes."
                self._fail(wish.path, text, wish.size)
        return fitting

    def _fail(self, path: bytes, message: str, size: int) -> None:
        self.harvest.failures[path] = NotDurable(shown(path), Why.NOT_RESTORED, message, size)

    def _deliver(self, batch: list[Fetched], left: set[Wish], told: Callable[[], None]) -> None:
        harvest = self.harvest
        rows: list[tuple[bytes, Row | None]] = []
        conflicts: list[Conflict] = []
        for fetched in batch:
            wish = fetched.wish
            if fetched.failure is not None:
                harvest.failures[wish.path] = fetched.failure
                continue
            left.discard(wish)
            harvest.failures.pop(wish.path, None)
            harvest.done += 1
            harvest.done_bytes += wish.size
            harvest.restored += fetched.size is not None
            harvest.already_there += fetched.adopted
            rows += fetched.rows
            if fetched.conflict is not None:
                conflicts.append(fetched.conflict)
        failpoint("restore.before-commit")
        self._journal.commit(rows, conflicts=conflicts)
        harvest.conflicts += conflicts
        told()

    # -- in a crew's thread ---------------------------------------------------------------------------

    def _fetch(self, wish: Wish) -> Fetched:
        try:
            return self._patience.with_request(lambda: self._settle(wish))
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
        fetched = self._fetch(newer)
        fetched.wish = wish
        return fetched

    def _settle(self, wish: Wish) -> Fetched:
        if self._local(wish.path):
            return self._meet(wish)
        try:
            landed, size = self._download(wish, wish.path)
        except FileExistsError:
            return self._meet(wish)
        except NotADirectoryError:
            return self._go_beside(wish, self._free_path(wish.path))
        return Fetched(wish, [(wish.path, self._row(wish, landed))], size)

    def _row(self, wish: Wish, landed: Landed) -> Row:
        key = None if self._names.key(wish.path) == wish.key else wish.key
        return Row(landed.stat, landed.sha256, key, wish.etag, Origin.RESTORED, int(Flag.UNSEEN))

    def _download(self, wish: Wish, path: bytes) -> tuple[Landed, int]:
        with self._remote.get(wish.key, wish.etag) as body:
            described = body.metadata
            mtime_ns = _number(described.get(MTIME), wish.mtime_ns)
            if described.get(TYPE) == SYMLINK and body.size <= _MAX_LINK:
                target = body.read()
                return landing.link(self._root, path, target, mtime_ns), body.size
            mode = _number(described.get(MODE), 0o644, 8) & 0o7777
            wanted = Wanted(body.size, described.get(SHA256), mode, mtime_ns)
            return landing.file(
                self._root, path, self._until_halted(body.chunks), wanted
            ), body.size

    def _until_halted(self, chunks: Iterable[bytes]) -> Iterable[bytes]:
        for chunk in chunks:
            if self._halt.is_set():
                raise Cancelled("The restore was stopped.")
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
                try:
                    landed, size = self._download(wish, wish.path)
                except FileExistsError:
                    return self._go_beside(wish, beside(wish.path, "from S3"))
                text = f"It differed from S3 when the server started: yours was moved to {moved}."
                kind = ConflictKind.REPLACED_LOCALLY.value
                return Fetched(
                    wish,
                    [(wish.path, self._row(wish, landed))],
                    size,
                    conflict=(wish.path, kind, text, os.fsencode(moved)),
                )
        return self._go_beside(wish, beside(wish.path, "from S3"))

    def _is_same(self, wish: Wish, local: Landed) -> bool:
        found = self._remote.head(wish.key)
        if found is None or found.etag != wish.etag:
            raise PreconditionFailed(f"{wish.key} changed.", path=wish.key)
        if (found.metadata.get(TYPE) == SYMLINK) != unpack(local.stat).is_link:
            return False
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
        for number in range(2, 1000):
            try:
                landed, size = self._download(wish, path)
                break
            except FileExistsError:
                path = beside(stem, str(number))
        else:
            raise StorageFailed(f"There are too many versions of {shown(wish.path)}.")
        found = self._remote.head(wish.key)
        described = dict(found.metadata) if found is not None else {}
        described.pop(MARK, None)
        described[COPY_OF] = wish.etag.strip('"')
        etag = self._remote.copy(
            wish.key, wish.etag, self._names.key(path), None, described, wish.size
        )
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


def _order(wish: Wish) -> tuple[int, int]:
    rank = value(wish.path, wish.size)
    return rank, wish.size if rank is Value.LARGE else -wish.mtime_ns


def _number(text: str | None, default: int, base: int = 10) -> int:
    """A number from metadata, which anybody may have written."""
    try:
        found = int(text, base) if text else default
    except ValueError:
        return default
    return found if -(2**62) < found < 2**62 else default
