"""What is to be restored: one listing, the place of each object in home, and the locks on what is still to come.

The listing comes first and whole: from then on the journal knows every key, and each that is not restored yet is locked
alone (`Flag.PENDING`), so that pushing may begin and one unreadable object stops nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from ..errors import NotFound, PreconditionFailed, WherobotsError
from ..s3.listing import Object
from . import beneath, last_stop, manifest
from .failpoints import failpoint
from .filestat import pack, unpack
from .journal import Flag, Journal, Origin, Row
from .manifest import Late, Manifest
from .names import Landing, Names, OddName, beside
from .patience import Patience
from .plan import Value, value
from .remote import MARK, Remote

LISTED = "listed"
"""What the journal says of a restore that is not over: every key is known."""


class Wish(NamedTuple):
    """One object that is to become a file.

    ``expected``: the packed stat of what lies there since before the start, b"" for nothing. ``late``: mode and time that
    the manifest has for it. ``twin``: the path that is another name of the same file, b"" for none.
    """

    path: bytes
    key: str
    etag: str
    size: int
    mtime_ns: int
    expected: bytes
    late: Late | None = None
    twin: bytes = b""


class Arrivals:
    """Everything that lies under the prefix, as it was when `learn` looked.

    ``root`` is the open home, ``began`` the time of its file system when the engine began; ``mounts``: where other file
    systems are mounted in it.
    """

    def __init__(
        self,
        root: int,
        mounts: Collection[bytes],
        journal: Journal,
        names: Names,
        remote: Remote,
        patience: Patience,
        began: int,
    ) -> None:
        self._root = root
        self._mounts = mounts
        self._began = began
        self._journal = journal
        self._names = names
        self._remote = remote
        self._patience = patience
        self._local = Local(root)
        self._nameless: list[bytes] = []
        self.objects = 0
        self.wishes: list[Wish] = []
        self.folders: list[bytes] = []
        """Folders that have a marker object."""
        self.manifest = Manifest()
        self.fresh: list[bytes] = []
        """Folders of the manifest that are to be made, and to be given their modes and times."""
        self.last_stop: bytes | None = None
        """What the last stop wrote down, if S3 has it."""

    def learn(self) -> None:
        """Learn every key, and lock those that are to be restored. Raises StorageError; then nothing was changed."""
        objects = self._patience.with_request(lambda: list(self._remote.walk(self._names.prefix)))
        failpoint("restore.listed")
        self._read_own({each.key: each.etag for each in objects})
        places = self._places(objects)
        twins = self._twins_of(places)
        self.objects = len(places)
        rows: list[tuple[bytes, Row | None]] = []
        for path, found in places.items():
            wish = self._wish(path, found)
            if wish is None:
                continue
            wish = wish._replace(twin=twins.get(path, b""))
            self.wishes.append(wish)
            key = None if self._names.key(path) == found.key else found.key
            flags = int(Flag.PENDING | Flag.UNSEEN)
            row = Row(wish.expected, b"", key, found.etag, Origin.RESTORED, flags)
            if self._journal.get(path) != row:
                rows.append((path, row))
        rows += self._deleted_remotely(places)
        if rows and self._journal.meta("restored"):
            # Before they are locked: who is killed between the two must not take home for restored.
            self._journal.set_meta(restored=LISTED)
        self._journal.commit(rows)
        self._keep_folders()
        self.wishes.sort(key=order)
        failpoint("restore.locked")
        self._name_again()

    def _read_own(self, keys: Mapping[str, str]) -> None:
        """Read what the mirror itself left there: the manifest, and what the last stop wrote down."""
        manifest.check(self._journal, keys.get(self._names.prefix + manifest.NAME))
        body = self._read_object(self._names.prefix + manifest.NAME, keys)
        if body is not None:
            self.manifest = manifest.parsed(body)
        self.last_stop = self._read_object(self._names.prefix + last_stop.NAME, keys)
        # A restore that was interrupted had made some of them already.
        interrupted = self._journal.meta("restored") == LISTED
        self.fresh = [
            path
            for path in self.manifest.folders
            if interrupted or beneath.is_missing(self._root, path)
        ]

    def _keep_folders(self) -> None:
        """Of a home that was whole before, what folders are missing were deleted; only what comes now may need some."""
        if self._journal.meta("whole"):
            needed = folders_above(wish.path for wish in self.wishes)
            self.fresh = [path for path in self.fresh if path in needed]

    def _read_object(self, key: str, keys: Mapping[str, str]) -> bytes | None:
        if key not in keys:
            return None

        def read() -> bytes:
            with self._remote.get(key) as body:
                return body.read()

        try:
            return self._patience.with_request(read)
        except (NotFound, PreconditionFailed):
            return None

    def _twins_of(self, places: Mapping[bytes, Object]) -> dict[bytes, bytes]:
        """Which paths were one file with another path, and still have the bytes they had then."""
        twins: dict[bytes, bytes] = {}
        for group in self.manifest.links:
            same = sorted(p for p, etag in group.items() if p in places and places[p].etag == etag)
            twins.update(dict.fromkeys(same[1:], same[0] if same else b""))
        return twins

    def _places(self, objects: Iterable[Object]) -> dict[bytes, Object]:
        """Where in home each object belongs. Two never share a place."""
        mapped = {row.key: path for path, row in self._journal.rows() if row.key is not None}
        files, folders = self._landings(objects, mapped)
        self.folders = sorted(folders)
        folders |= folders_above(path for path, _ in files)
        places: dict[bytes, Object] = {}
        # Names that are what they say come first; others give way.
        for path, found in sorted(files, key=lambda each: self._names.key(each[0]) != each[1].key):
            known = found.key in mapped or self._is_known(path)
            taken = path in folders and not known
            place = path
            number = 1
            while taken or place in places:
                note = "S3 object" if number == 1 else f"S3 object {number}"
                place, taken, number = beside(path, note), False, number + 1
            places[place] = found
        return places

    def _is_known(self, path: bytes) -> bool:
        """Whether home had this path, as far as the journal tells."""
        return self._journal.get(path) is not None or bool(self._journal.intents(path))

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
        ours = self._odd_paths() if odd else {}
        for digest, found in odd.items():
            path = ours.get(found.key)
            if path is None:
                path = self._odd_path(digest) if digest in names else None
            elif digest not in names:
                self._nameless.append(path)
            files.append((path or b"unnamed-" + digest.encode(), found))
        return files, folders

    def _odd_paths(self) -> dict[str, bytes]:
        """The paths that the journal knows by their odd keys."""
        known = [path for path, row in self._journal.rows() if row.key is None]
        known += [intent.path for intent in self._journal.all_intents()]
        return {self._names.key(path): path for path in known if self._names.is_odd(path)}

    def _name_again(self) -> None:
        """Put the names anew that somebody deleted; without them another instance has the bytes alone."""
        for path in self._nameless:
            with suppress(WherobotsError):
                self._remote.put_name(self._names.name_key(path), path)

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
        local = self._local.stat(path)
        if local and self._is_mounted(path):
            return None  # it is not home's, and gives way to nothing
        if row is None and self._journal.intents(path) and (local or self._is_ours(path, found)):
            return None  # it was being saved when the last engine ended: home has what is newer, or deleted it
        if row is not None and not row.flags & Flag.PENDING:
            if row.etag == found.etag or self._journal.intents(path):
                return None
            if local and local != row.stat:
                return None  # changed on both sides: the push keeps both
            expected = local
        elif row is not None and row.etag == found.etag:
            expected = row.stat
        else:
            expected = b"" if local and unpack(local).ctime_ns > self._began else local
        mtime_ns = int(found.last_modified.timestamp()) * 10**9
        late = self.manifest.late.get(path)
        if late is not None and late.etag != found.etag:
            late = None
        return Wish(path, found.key, found.etag, found.size, mtime_ns, expected, late)

    def _is_mounted(self, path: bytes) -> bool:
        """Whether a path lies in another file system, or is where one is mounted."""
        return any(path == mount or path.startswith(mount + b"/") for mount in self._mounts)

    def _is_ours(self, path: bytes, found: Object) -> bool:
        """Whether a version was put by a write whose outcome the journal does not know."""
        head = self._patience.with_request(lambda: self._remote.head(found.key))
        return head is not None and head.metadata.get(MARK) in self._journal.intents(path)

    def _deleted_remotely(self, places: dict[bytes, Object]) -> list[tuple[bytes, Row | None]]:
        """Rows whose object is not there any more: not made again here, and not forgotten if home has the file."""
        rows: list[tuple[bytes, Row | None]] = []
        for path, row in self._journal.rows():
            if path in places or not row.etag or self._journal.intents(path):
                continue
            if row.flags & Flag.PENDING or beneath.is_missing(self._root, path):
                rows.append((path, None))
            elif not row.flags & Flag.REMOTE_GONE:
                rows.append((path, row._replace(flags=row.flags | Flag.REMOTE_GONE)))
        return rows


def folders_above(paths: Iterable[bytes]) -> set[bytes]:
    """All folders that these paths lie in, but home itself."""
    found: set[bytes] = set()
    for path in paths:
        while (path := path.rpartition(b"/")[0]) and path not in found:
            found.add(path)
    return found


def local_stat(root: int, path: bytes) -> bytes:
    """The packed stat of what lies at a path, b"" for nothing."""
    try:
        return pack(beneath.lstat(root, path))
    except OSError:
        return b""


class Local:
    """What lies in home already, asked path by path; a new home answers without a look at each of them."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._folders = {b"": True}

    def stat(self, path: bytes) -> bytes:
        """As `local_stat`."""
        return local_stat(self._root, path) if self._is_there(path.rpartition(b"/")[0]) else b""

    def _is_there(self, folder: bytes) -> bool:
        """Whether a folder may have something in it."""
        trail = []
        while folder not in self._folders:
            trail.append(folder)
            folder = folder.rpartition(b"/")[0]
        there = self._folders[folder]
        for below in reversed(trail):  # no recursion: folders may lie deeper than Python's stack
            there = there and not beneath.is_missing(self._root, below)
            self._folders[below] = there
        return there


def order(wish: Wish) -> tuple[int, int]:
    """Sorts wishes: the most valuable first, the newest of them before all; large files by size."""
    rank = value(wish.path, wish.size)
    return rank, wish.size if rank is Value.LARGE else -wish.mtime_ns
