"""What the mirror tells the world: reports of one pass and of a restore, and the standing status.

Frozen values with ``to_json()``; nothing here decides anything. Times of day are for people to read
and are never compared with each other or with a file's (`saved_at` and the like, in seconds since
the epoch). Durations are in seconds. Paths are relative to home, as text: a byte that is no UTF-8
is shown as ``\\xNN``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum
from typing import Any


def shown(path: bytes) -> str:
    """A path of home as text for people and JSON: ``b"a/\\xff"`` becomes ``a/\\\\xff``."""
    return path.decode("utf-8", "backslashreplace")


def to_json(value: Any) -> Any:
    """A report as plain JSON values: dataclasses become objects with camelCase members, enums their
    values.
    """
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {_camel(f.name): to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    return value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


class Why(str, Enum):
    """Why a file's present content is not in S3."""

    WAITING = "waiting"
    """Its turn has not come: the pass ended (deadline, stop) before it."""
    CHANGING = "changing"
    """It was written to while it was read."""
    SAVING = "saving"
    """A notebook in the middle of a save, or one that is not valid notebook JSON; S3 keeps the good
    one.
    """
    UNREADABLE = "unreadable"
    """The file system refuses to let it be read: a file, or a folder with all that is in it."""
    NOT_RESTORED = "not-restored"
    """Its version in S3 has not been restored yet, so the key is locked."""
    ANOTHER_INSTANCE = "another-instance"
    """Another instance of the same user holds the lease; this one only adds."""
    REPOSITORY = "repository"
    """A ref of a git repository whose objects are not all in S3 yet."""
    FAILED = "failed"
    """S3 refused it or did not answer; the message says what."""


class SkipReason(str, Enum):
    """Why something in home is not mirrored at all."""

    CREDENTIALS = "credentials"
    CACHE = "cache"
    SPECIAL = "special"
    """A socket, fifo or device."""
    OTHER_DEVICE = "other-device"
    """Another file system mounted inside home."""
    OWN_STATE = "own-state"
    """This program's own state and staging."""
    RULE = "rule"
    """Named by a ``.wherobotsignore`` file."""
    UNREADABLE = "unreadable"
    """What is the file system's own and not ours to read: ``lost+found`` in home."""
    DATABASE_LOG = "database-log"
    """The log of a SQLite database that is in use; what it says is saved with the database."""
    TEMPORARY = "temporary"
    """A file that Jupyter or an editor keeps for the length of one save."""


class ConflictKind(str, Enum):
    """What happened to one file on both sides."""

    CHANGED_REMOTELY = "changed-remotely"
    """Changed in S3 and here: both are kept."""
    DELETED_REMOTELY = "deleted-remotely"
    """Deleted in S3, unchanged here: stays deleted there; can be saved again."""
    INVALID_NOTEBOOK = "invalid-notebook"
    """A notebook that stays invalid here: it was saved, and the last valid version is kept beside it."""
    KEPT_REMOTELY = "kept-remotely"
    """Deleted here, changed in S3 before: it stays there, and comes back at the next start."""
    REPLACED_LOCALLY = "replaced-locally"
    """Was in home before the start and differed from S3: moved aside, the remote one taken."""
    RESTORED_BESIDE = "restored-beside"
    """Made here before its namesake was restored: the remote one lies beside it."""
    UPDATED_REMOTELY = "updated-remotely"
    """Changed in S3, unchanged here: not pulled before the next start."""
    ADDED_REMOTELY = "added-remotely"
    """Added in S3: not pulled before the next start."""


class Phase(str, Enum):
    """What the engine is doing."""

    NEW = "new"
    RESTORING = "restoring"
    WATCHING = "watching"
    """Idle between passes."""
    PUSHING = "pushing"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True)
class NotDurable:
    """A file whose present content is not in S3, by name and with the reason.

    ``path`` ends with a slash where it is a folder that cannot be read.
    """

    path: str
    why: Why
    message: str
    size: int = 0


@dataclass(frozen=True)
class Skipped:
    """A file or a whole folder that is not mirrored. ``path`` of a folder ends with a slash."""

    path: str
    reason: SkipReason
    message: str


@dataclass(frozen=True)
class Conflict:
    """A file that changed on both sides (or vanished on one), and where the other version was kept.

    ``kept_as`` is a path relative to home (and to the prefix in S3), or None if nothing had to be
    kept elsewhere.
    """

    path: str
    kind: ConflictKind
    message: str
    kept_as: str | None = None


@dataclass(frozen=True)
class PendingDeletes:
    """Deletions that the breaker holds back until a person says that they are meant."""

    count: int = 0
    examples: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class PassReport:
    """One pass: what was found, what was put, what is still not durable.

    ``complete`` is true if everything that is mirrored at all was durable in S3 when the pass
    ended. ``not_durable`` names at most `MAX_NAMED` files; ``not_durable_count`` counts all.
    ``error`` is set if the pass could not be carried out.
    """

    complete: bool
    files: int = 0
    uploaded: int = 0
    uploaded_bytes: int = 0
    copied: int = 0
    deleted: int = 0
    seconds: float = 0.0
    not_durable_count: int = 0
    not_durable: tuple[NotDurable, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    pending_deletes: PendingDeletes = PendingDeletes()
    notes: tuple[str, ...] = ()
    restore: RestoreReport | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dict(to_json(self))


@dataclass(frozen=True)
class RestoreReport:
    """One restore: what came back, what did not and why.

    ``complete`` is true if every object under the prefix is in home. ``listed`` is true once all
    keys are known, from when on pushing is safe.
    """

    complete: bool
    listed: bool = False
    objects: int = 0
    restored: int = 0
    restored_bytes: int = 0
    already_there: int = 0
    failed_count: int = 0
    failed: tuple[NotDurable, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    seconds: float = 0.0
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dict(to_json(self))


@dataclass(frozen=True)
class Progress:
    """How far a restore or a push is: files and bytes, done and in all."""

    files_done: int = 0
    files_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0


@dataclass(frozen=True)
class LeaseStatus:
    """Whether this instance may overwrite and delete. ``holder`` says who can, in words."""

    held: bool = True
    holder: str = ""
    message: str = ""


@dataclass(frozen=True)
class SyncStatus:
    """The standing status, for the page, the CLI and `GET …/sync`.

    ``saved_at`` (seconds since the epoch, None before the first complete pass) is the start of the
    last pass that left nothing pending: everything that lay in home at that moment is in S3.
    """

    phase: Phase
    saved_at: float | None = None
    pending_files: int = 0
    pending_bytes: int = 0
    oldest_pending_seconds: float | None = None
    pending: tuple[NotDurable, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    pending_deletes: PendingDeletes = PendingDeletes()
    restored: bool = False
    restore: Progress | None = None
    push: Progress | None = None
    lease: LeaseStatus = LeaseStatus()
    hints: str = ""
    """How changes are noticed between scans, in words: by file events, or why not."""
    notes: tuple[str, ...] = ()
    """What is limited on this endpoint or machine, in words (the probe's findings, for instance).
    """
    error: str | None = None
    lost_at_last_stop: tuple[NotDurable, ...] = ()
    """What the last stop could not save, by name."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dict(to_json(self))


MAX_NAMED = 1000
"""At most so many files are named in one report; the counts are always exact."""
