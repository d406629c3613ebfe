"""What we know that S3 holds, and what is in flight: SQLite on disk, compact tuples in memory.

The journal is what makes an idle pass cost no request, and what a decision may rest on after a kill: nothing is sent to S3
before its intent is committed here, and what is not in here is not ours to overwrite or delete.

Commits survive the death of the process (WAL); the death of the machine may take the last of them, which costs a look at
S3 and never a version: every write is conditional, and an unknown one is known again by its mark.
"""

from __future__ import annotations

import enum
import logging
import secrets
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from .failpoints import failpoint

log = logging.getLogger(__name__)

_SCHEMA = 1
_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE file (
    path BLOB PRIMARY KEY, stat BLOB NOT NULL, sha256 BLOB NOT NULL, key TEXT, etag TEXT NOT NULL,
    origin INTEGER NOT NULL, flags INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE intent (
    mark TEXT PRIMARY KEY, path BLOB NOT NULL, key TEXT NOT NULL, upload TEXT
) WITHOUT ROWID;
CREATE TABLE conflict (
    id INTEGER PRIMARY KEY, path BLOB NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL, kept_as BLOB
);
"""


class Origin(enum.IntEnum):
    """How we came to know the remote version that a row names."""

    NONE = 0
    """There is none that is ours."""
    PUT = 1
    RESTORED = 2
    COPIED = 3


class Flag(enum.IntFlag):
    """What else is known of a file."""

    RACY = 1
    """It may have changed at its capture, or since, without its stat telling: read it again."""
    UNSEEN = 2
    """No complete scan has seen it in home yet, so its absence means nothing."""
    ABSENT = 4
    """One complete pass found it gone; a second one may delete it in S3."""
    PENDING = 8
    """Not restored yet: the key is locked, neither overwritten nor deleted."""
    REMOTE_GONE = 16
    """Deleted in S3 by somebody else while unchanged here: stays deleted until it changes or is asked for."""
    REMOTE_CHANGED = 32
    """Changed in S3 by somebody else: a newer version than ``etag`` lies there."""
    LATE = 64
    """Mode or time changed after the bytes were put: the manifest has the new ones."""
    MOVED = 128
    """Its content was found at another path: no loss if it is deleted here."""
    CONFIRMED = 256
    """A person said that its deletion is meant."""
    HELD = 512
    """Its deletion waits for a person's word, whatever the breaker says later."""
    BACK = 1024
    """It was gone and is there again: somebody may have taken it out of S3 meanwhile, so S3 is to be looked at."""


ATTENTION = int(
    Flag.RACY
    | Flag.UNSEEN
    | Flag.ABSENT
    | Flag.PENDING
    | Flag.MOVED
    | Flag.HELD
    | Flag.CONFIRMED
    | Flag.BACK
)
"""A row with one of these wants a look in every scan, even if its stat is the same."""


class Row(NamedTuple):
    """What the journal knows of one path; a tuple because there are a hundred thousand of them.

    ``stat`` is the packed stat (`scan.pack`) at capture, empty if home never held it; ``sha256`` of the bytes in S3; ``key``
    None if it is the one that `names` gives; ``etag`` "" if nothing of ours is in S3; ``flags`` an int of `Flag`.
    """

    stat: bytes
    sha256: bytes
    key: str | None
    etag: str
    origin: int
    flags: int


class Intent(NamedTuple):
    """A write that is about to be sent. ``mark`` travels as metadata and proves later that it was ours."""

    mark: str
    path: bytes
    key: str
    upload: str | None = None


@dataclass(frozen=True)
class Kept:
    """A row of the conflict list."""

    number: int
    path: bytes
    kind: str
    message: str
    kept_as: bytes | None


_EMPTY: Mapping[bytes, Row] = MappingProxyType({})


class Journal:
    """The journal of one home and one prefix. Used by one thread at a time (the engine's pass), read by any."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.RLock()
        self._folders: dict[bytes, dict[bytes, Row]] = {}
        self._intents: dict[bytes, dict[str, Intent]] = {}
        self._meta: dict[str, str] = {}
        self._late: set[bytes] = set()
        self._keepers: dict[str, bytes] = {}
        self._db = self._open()
        self._load()

    # -- opening --------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(
                error, sqlite3.OperationalError
            ):  # not damaged, but not usable: full, read-only
                raise
            log.warning(
                "The journal %s is damaged (%s); it is put aside, and home is compared with S3 anew",
                self.file,
                error,
            )
            for suffix in ("", "-wal", "-shm"):
                part = self.file.with_name(self.file.name + suffix)
                if part.exists():
                    part.replace(part.with_name(part.name + ".damaged"))
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.file, check_same_thread=False, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _SCHEMA):
                raise sqlite3.DatabaseError(f"the journal has the unknown version {version}")
            if version == 0:
                db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {_SCHEMA}; COMMIT;")
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()  # 50 ms for 100,000 files
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
        except BaseException:
            db.close()
            raise
        return db

    def _load(self) -> None:
        self._meta = dict(self._db.execute("SELECT name, value FROM meta"))
        folder, files = b"", self._folders.setdefault(b"", {})
        query = "SELECT path, stat, sha256, key, etag, origin, flags FROM file ORDER BY path"
        for path, *values in self._db.execute(query):
            parent, _, name = path.rpartition(b"/")
            if parent != folder:
                folder, files = parent, self._folders.setdefault(parent, {})
            files[name] = row = Row(*values)
            if row.flags & Flag.LATE:
                self._late.add(path)
            if row.key is not None:
                self._keepers[row.key] = path
        query = "SELECT mark, path, key, upload FROM intent"
        for values in self._db.execute(query):
            intent = Intent(*values)
            self._intents.setdefault(intent.path, {})[intent.mark] = intent

    # -- reading --------------------------------------------------------------------------------

    def get(self, path: bytes) -> Row | None:
        """What is known of a path."""
        parent, _, name = path.rpartition(b"/")
        return self._folders.get(parent, _EMPTY).get(name)

    def folder(self, path: bytes) -> Mapping[bytes, Row]:
        """The rows of one folder by name; b"" is home itself."""
        return self._folders.get(path, _EMPTY)

    def folders(self) -> Iterable[bytes]:
        """All folders that have rows."""
        return list(self._folders)

    def rows(self) -> Iterator[tuple[bytes, Row]]:
        """All paths with their rows."""
        for folder, files in list(self._folders.items()):
            prefix = folder + b"/" if folder else b""
            for name, row in list(files.items()):
                yield prefix + name, row

    def __len__(self) -> int:
        return sum(map(len, self._folders.values()))

    def new_mark(self) -> str:
        """A mark for an `Intent`: this engine's, and of nothing else."""
        return f"{self.engine[:16]}-{secrets.token_hex(8)}"

    def keeper(self, key: str) -> bytes | None:
        """The path whose object has this key although its name would give another; None if there is none."""
        return self._keepers.get(key)

    def late(self) -> list[bytes]:
        """The paths whose mode or time changed after their bytes were put."""
        return sorted(self._late)

    def intents(self, path: bytes) -> Mapping[str, Intent]:
        """The writes of a path whose outcome is not known, by mark."""
        return self._intents.get(path, {})

    def all_intents(self) -> list[Intent]:
        """All writes whose outcome is not known."""
        return [intent for marks in list(self._intents.values()) for intent in marks.values()]

    def meta(self, name: str, default: str = "") -> str:
        """A setting of the journal itself."""
        return self._meta.get(name, default)

    @property
    def engine(self) -> str:
        """The id of this journal; every mark begins with it."""
        if not self.meta("engine"):
            self.set_meta(engine=uuid.uuid4().hex)
        return self.meta("engine")

    def conflicts(self) -> list[Kept]:
        """What is to be shown as conflicts, newest first."""
        query = "SELECT id, path, kind, message, kept_as FROM conflict ORDER BY id DESC"
        with self._lock:
            return [Kept(*values) for values in self._db.execute(query)]

    # -- writing --------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def begin(self, intents: Iterable[Intent]) -> None:
        """Commit what is about to be sent, before it is sent."""
        intents = list(intents)
        failpoint("journal.before-intents")
        with self._lock:
            with self._transaction():
                self._db.executemany("INSERT OR REPLACE INTO intent VALUES (?,?,?,?)", intents)
            for intent in intents:
                self._intents.setdefault(intent.path, {})[intent.mark] = intent
        failpoint("journal.after-intents")

    def commit(
        self,
        rows: Iterable[tuple[bytes, Row | None]],
        *,
        settled: Iterable[bytes] = (),
        conflicts: Iterable[tuple[bytes, str, str, bytes | None]] = (),
    ) -> None:
        """Commit what is known now: rows (None removes one), paths whose intents are settled, new conflicts."""
        rows, settled, conflicts = list(rows), list(settled), list(conflicts)
        if not rows and not settled and not conflicts:
            return
        failpoint("journal.before-commit")
        kept = [(path, *row) for path, row in rows if row is not None]
        gone = [(path,) for path, row in rows if row is None]
        settled = [path for path in settled if path in self._intents]
        with self._lock:
            with self._transaction():
                self._db.executemany("INSERT OR REPLACE INTO file VALUES (?,?,?,?,?,?,?)", kept)
                self._db.executemany("DELETE FROM file WHERE path = ?", gone)
                self._db.executemany(
                    "DELETE FROM intent WHERE mark = ?",
                    [(mark,) for path in settled for mark in self._intents[path]],
                )
                self._db.executemany(
                    "INSERT INTO conflict (path, kind, message, kept_as) VALUES (?,?,?,?)",
                    conflicts,
                )
                failpoint("journal.inside-commit")
            for path, row in rows:
                self._set(path, row)
            for path in settled:
                self._intents.pop(path, None)
        failpoint("journal.after-commit")

    def _set(self, path: bytes, row: Row | None) -> None:
        parent, _, name = path.rpartition(b"/")
        before = self._folders.get(parent, {}).get(name)
        if before is not None and before.key is not None and self._keepers.get(before.key) == path:
            del self._keepers[before.key]
        if row is not None and row.key is not None:
            self._keepers[row.key] = path
        if row is not None and row.flags & Flag.LATE:
            self._late.add(path)
        else:
            self._late.discard(path)
        if row is not None:
            self._folders.setdefault(parent, {})[name] = row
        elif (files := self._folders.get(parent)) is not None:
            files.pop(name, None)
            if not files and parent:
                del self._folders[parent]

    def set_meta(self, **values: str) -> None:
        """Commit settings of the journal itself."""
        with self._lock:
            with self._transaction():
                self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", values.items())
            self._meta.update(values)

    def forget_conflicts(self, numbers: Iterable[int] | None = None) -> None:
        """Drop these conflicts from the list, or all."""
        with self._lock:
            if numbers is None:
                self._db.execute("DELETE FROM conflict")
            else:
                self._db.executemany("DELETE FROM conflict WHERE id = ?", [(n,) for n in numbers])

    def clear(self) -> None:
        """Forget everything: another home or another place in S3."""
        with self._lock:
            with self._transaction():
                for table in ("meta", "file", "intent", "conflict"):
                    self._db.execute(f"DELETE FROM {table}")
            self._folders.clear()
            self._late.clear()
            self._keepers.clear()
            self._intents.clear()
            self._meta.clear()

    def close(self) -> None:
        """Close the file; the journal cannot be used any more."""
        with self._lock:
            self._db.close()
