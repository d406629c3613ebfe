"""One home, one prefix, one journal: opening them, learning what S3 holds, one restore, one pass.

Everything here blocks and is called from `service`, which has the threads. What goes wrong with one file
is in a report, what goes wrong with all is raised as a WherobotsError.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import timedelta
from pathlib import Path

from .. import __version__
from ..errors import AccessDenied, StorageFailed, WherobotsError
from ..layout import INTERNAL
from ..mounts import mounts_below
from ..s3.bucket import server_time
from ..s3.client import S3, Stop
from ..s3.multipart import abort, list_uploads
from ..s3.probe import Capabilities, probe
from . import last_stop
from .arrivals import LISTED, Arrivals
from .clock import Deadline, FileClock
from .crew import Alone, Governor
from .failpoints import failpoint
from .ground import Memory
from .ignore import Ignore
from .journal import Journal
from .lease import Lease
from .lock import EngineLock
from .manifest import Manifest
from .names import Names
from .options import SyncOptions
from .patience import Halt, Patience
from .remote import FULL, Remote
from .restore import Restorer
from .review import RemoteView, review
from .scan import Scanner
from .status import (
    MAX_NAMED,
    Conflict,
    ConflictKind,
    LeaseStatus,
    NotDurable,
    PassReport,
    RestoreReport,
    shown,
)

_MARKER = "user.wherobots.root"
"""An extended attribute of home that names its journal: another folder in its place has none."""
_COMPLETE = "complete"
_PROBE = timedelta(hours=1)
"""No probe takes so long."""
_TRUST = 20
"""So many later starts rest on a probe that found nothing amiss."""
_LEFT_BEHIND = (
    "The instance before this one ended without a final pass: "
    "what changed in its last moments may not have been saved."
)


class Engine:
    """Opens home, state and journal; runs restores and passes. ``close`` gives everything back."""

    def __init__(self, s3: S3, prefix: str, home: Path, state: Path, options: SyncOptions) -> None:
        """Raises AlreadyRunning if another engine has this home, StorageFailed if home or state cannot be used."""
        self.clock = options.clock
        self._options = options
        self._s3 = s3
        self.home = home
        own = _inside(home, state)
        self.names = Names(prefix, own)
        self.governor = Governor(maximum=options.concurrency)
        self.notes: tuple[str, ...] = ()
        self.lease: Lease | None = None
        """None until something is to be written."""
        self._lost_is_written = False
        self.lost: tuple[NotDurable, ...] = ()
        """What the last stop could not save."""
        self.memory = Memory()
        self._preparing: Alone[Remote] | None = None
        self._restorer: Restorer | None = None
        try:
            home.mkdir(parents=True, exist_ok=True)
            state.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = EngineLock(home, state)
        except OSError as error:
            at = home if error.filename in (home, os.fspath(home)) else state
            raise _unusable(at, error) from error
        at = home
        try:
            self.root = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._file_clock = FileClock(home)
            self._began = self._file_clock.stamp()
            at = state
            self.journal = Journal(state / f"journal-{self._place()}.db")
        except (OSError, sqlite3.Error) as error:
            self._lock.release()
            raise _unusable(at, error) from error
        except BaseException:
            self._lock.release()
            raise
        self.state = state
        self._aside = state / "replaced"
        self._ignore = Ignore(own)
        try:
            self._check_root()
        except (OSError, sqlite3.Error) as error:
            self.close(0)
            raise _unusable(state, error) from error

    def _place(self) -> str:
        """Names the journal: what is known of one store says nothing of another."""
        place = f"{self._s3.endpoint_url}\n{self._s3.bucket}\n{self.names.prefix}\n"
        digest = hashlib.sha256(place.encode("utf-8", "surrogateescape"))
        digest.update(os.fsencode(os.path.realpath(self.home)))
        return digest.hexdigest()[:16]

    def close(self, seconds: float) -> None:
        """Let go of lease (waiting at most ``seconds`` for S3), journal, home and lock."""
        if self.lease is not None:
            self.lease.release(seconds)
        self.journal.close()
        self._file_clock.close()
        os.close(self.root)
        self._lock.release()

    def abandon(self) -> None:
        """Let go of the lock alone; what hangs in a request still has the rest."""
        self._lock.release()

    # -- the root -------------------------------------------------------------------------------------

    def _check_root(self) -> None:
        """Begin a new journal if home is not the folder that the old one is about: what is missing here was not deleted."""
        info = os.fstat(self.root)
        identity = f"{info.st_dev}:{info.st_ino}"
        if self.journal.meta("root") and not self._is_same_home(identity):
            self.journal.clear()
        self.journal.set_meta(root=identity)
        with suppress(OSError):  # not every file system has them; then the identity has to do
            os.setxattr(self.root, _MARKER, self.journal.engine.encode())
            self.journal.set_meta(marked="yes")

    def _is_same_home(self, identity: str) -> bool:
        try:
            return os.getxattr(self.root, _MARKER) == self.journal.engine.encode()
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENODATA):
                return False
            if error.errno == errno.ENODATA and self.journal.meta("marked"):
                return False
        return self.journal.meta("root") == identity

    def check_in_place(self) -> None:
        """Raise StorageFailed if another folder lies where home was: a mount came or went."""
        opened = os.fstat(self.root)
        try:
            there = os.stat(self.home)
        except OSError as error:
            raise _unusable(self.home, error) from error
        if (opened.st_dev, opened.st_ino) != (there.st_dev, there.st_ino):
            raise StorageFailed(
                f"{self.home} is not the folder it was when the synchronisation began.",
                hint="Restart the server once home is in its place.",
            )

    # -- restore --------------------------------------------------------------------------------------

    @property
    def listed(self) -> bool:
        """Whether every key is known, so that pushing is safe."""
        return bool(self.journal.meta("restored"))

    @property
    def restored(self) -> bool:
        """Whether everything that lay under the prefix was brought back."""
        return self.journal.meta("restored") == _COMPLETE

    def learn(self, stop: threading.Event) -> None:
        """List S3 and lock what is to be restored. Raises StorageError; then nothing was changed."""
        self.check_in_place()
        halt = Halt(stop, Deadline(self.clock, None))
        patience = Patience(self.governor, self.clock, halt)
        remote = Remote(self._s3)
        arrivals = Arrivals(
            self.root,
            mounts_below(self.home),
            self.journal,
            self.names,
            remote,
            patience,
            self._began,
        )
        arrivals.learn()
        self.journal.set_meta(restored=LISTED)
        failpoint("engine.listed")
        self.lost = last_stop.parsed(last_stop.read(self.state) or arrivals.last_stop)
        self._lost_is_written = bool(self.lost)
        self._restorer = Restorer(
            self.root,
            self._aside,
            self.journal,
            self.names,
            remote,
            self.governor,
            self.clock,
            halt,
            arrivals,
        )

    def fetch(self, stop: threading.Event, told: Callable[[], None]) -> None:
        """Bring back what `learn` found; may be called again for what failed. Raises StorageError if S3 does not work."""
        restorer = self._restorer
        if restorer is None:
            return
        halt = restorer.renew(Halt(stop, Deadline(self.clock, None)))
        restorer.fetch(told)
        if not restorer.wishes and not restorer.harvest.failures:
            self.journal.set_meta(restored=_COMPLETE, whole="yes")
            failpoint("engine.restored")
        elif halt.error is not None:
            raise halt.error

    def restore_report(self, seconds: float, error: str | None) -> RestoreReport:
        """What the restore did until now."""
        if self._restorer is None:
            # What others put there since the last time is still to come, if S3 could not be listed.
            complete = self.restored and error is None
            return RestoreReport(complete, self.listed, seconds=seconds, error=error)
        harvest = self._restorer.harvest
        failed = list(harvest.failures.values())
        return RestoreReport(
            complete=self.restored,
            listed=self.listed,
            objects=harvest.objects,
            restored=harvest.restored,
            restored_bytes=harvest.done_bytes,
            already_there=harvest.already_there,
            failed_count=len(failed),
            failed=tuple(failed[:MAX_NAMED]),
            conflicts=as_conflicts(harvest.conflicts),
            seconds=seconds,
            error=error,
        )

    @property
    def unrestored(self) -> tuple[str, ...]:
        """What of home is still to come back although it was tried, in words; nothing if that is nothing."""
        failed = list(self._restorer.harvest.failures.values()) if self._restorer else []
        if self.restored or not failed:
            return ()
        files = "1 file is" if len(failed) == 1 else f"{len(failed)} files are"
        named = f"{failed[0].path}: {failed[0].message}"
        return (f"{files} not restored yet, and tried again by itself ({named.rstrip('.')}).",)

    @property
    def restorer(self) -> Restorer | None:
        """The restore under way or done, for its numbers."""
        return self._restorer

    @property
    def manifest(self) -> Manifest | None:
        """What the manifest in S3 said when it was listed; None if it was not."""
        return None if self._restorer is None else self._restorer.manifest

    def review(self) -> RemoteView:
        """List S3 and compare. Raises StorageError."""
        objects = Remote(self._s3).walk(self.names.prefix)
        return review(self.journal, self.names, objects)

    # -- what a pass stands on ------------------------------------------------------------------------

    def scanner(self, stop: Stop) -> Scanner:
        """A scanner of home, ended by ``stop``."""
        return Scanner(self.root, self.home, self.journal, self._ignore, stop)

    def stamp(self) -> int:
        """The time of home's file system, in nanoseconds."""
        return self._file_clock.stamp()

    def may_replace(self) -> bool:
        """Whether this engine may overwrite and delete, now: it holds the lease."""
        return self.lease is None or self.lease.held

    def uploading(self, key: str) -> AbstractContextManager[None]:
        """Let other instances know, while it is entered, that something is uploaded to a key by parts."""
        return nullcontext() if self.lease is None else self.lease.uploading(key)

    def lease_status(self) -> LeaseStatus:
        """What the status says of the lease."""
        return LeaseStatus() if self.lease is None else self.lease.status()

    def take_over(self) -> bool:
        """A person's word: take the lease from another instance. Raises StorageError."""
        self.remote(Halt(threading.Event(), Deadline(self.clock, None)))
        return self.lease is None or self.lease.take_over()

    def write_down(self, body: bytes, until: Deadline) -> None:
        """Put what the last stop could not save where another machine finds it; failing is not worth an error."""
        # There is no time for a probe.
        remote = Remote(self._s3, self._options.capabilities or FULL)
        with suppress(WherobotsError):
            self._put_last_stop(remote.bounded(max(0.1, until.left() or 0.1)), body)

    def settle_lost(self) -> None:
        """What the last stop did not save is known by now, and all of home is saved: no later start is to say it again."""
        if not self._lost_is_written:
            return
        with suppress(WherobotsError, OSError):
            body = last_stop.packed(PassReport(complete=True), self.clock.now())
            last_stop.write(self.state, body)
            remote = Remote(self._s3, self._options.capabilities or self._probe())
            self._put_last_stop(remote, body)
            self._lost_is_written = False

    def _put_last_stop(self, remote: Remote, body: bytes) -> None:
        remote.replace_own(self.names.prefix + last_stop.NAME, body, None)

    def may_delete(self, remote: Remote) -> bool:
        """Whether deletions are mirrored, here and now."""
        options = self._options
        conditional = remote.capabilities.delete_if_match or options.delete_without_conditions
        return options.mirror_deletions and conditional and self.may_replace()

    def remote(self, halt: Halt) -> Remote:
        """The way to S3 for writes; before the first of them the store is probed and the lease asked for.

        Raises StorageError, and Cancelled if that takes longer than ``halt`` lets it.
        """
        if self._preparing is None or self._preparing.failed:
            self._preparing = Alone(self._prepare, "wherobots-prepare")
        remote = self._preparing.wait(halt, self.clock)
        left = halt.deadline.left()
        return remote if left is None else remote.bounded(max(0.1, left))

    def _prepare(self) -> Remote:
        self.notes = ()  # those of a try that failed are said anew, if they still hold
        remote = Remote(self._s3, self._options.capabilities or self._probe())
        self._abort_leftovers(remote)
        if self._options.lease:
            self.lease = Lease(remote, self.names.prefix, self.journal.engine, self.clock)
            self.lease.hold()
            if self.lease.left_behind:
                self._note(_LEFT_BEHIND)
        return remote

    def _note(self, *texts: str) -> None:
        """Say something in every report from now on, once."""
        self.notes += tuple(text for text in texts if text not in self.notes)

    def _abort_leftovers(self, remote: Remote) -> None:
        """Abort the uploads of a process that was killed: those it wrote down, and those it had no time to."""
        keys = {each.key for each in self.journal.all_intents()}
        if keys:
            remote.abort_at(keys, self.names.prefix)

    def _abort_probes(self, probes: str, key: str) -> None:
        """Abort what probes that were killed left: our own, whose keys nobody else has, and very old ones of others."""
        for left in list(list_uploads(self._s3, probes)):
            ours = left.key.startswith(key)
            now = None if ours else server_time(self._s3, probes)
            if ours or (now is not None and now - left.initiated > _PROBE):
                abort(self._s3, left.key, left.upload_id)

    def _probe(self) -> Capabilities:
        if self._is_trusted():
            return FULL
        probes = f"{self.names.prefix}{INTERNAL}probe-"
        key = probes + self.journal.engine[:16]
        with suppress(WherobotsError):
            self._abort_probes(probes, key)
        try:
            found = probe(self._s3, key)
        except AccessDenied as error:
            self._note(f"What this store can do could not be tried: {error.message}")
            return FULL
        if found == FULL:
            self.journal.set_meta(trusted=f"{__version__} {_TRUST}")
        self._note(*found.notes)
        if not found.delete_if_match and not self._options.delete_without_conditions:
            self._note("So what is deleted in home is not deleted in S3.")
        return found

    def _is_trusted(self) -> bool:
        """Whether an earlier start found that this store keeps every condition, which spares this one some 30 requests.

        The journal is of one endpoint and bucket only. A store that lacks something is probed at each start: it may have
        been a fault of the moment.
        """
        version, _, left = self.journal.meta("trusted").rpartition(" ")
        if version != __version__ or left == "0":
            return False
        self.journal.set_meta(trusted=f"{version} {int(left) - 1}")
        return True


def as_conflicts(found: list[tuple[bytes, str, str, bytes | None]]) -> tuple[Conflict, ...]:
    """Conflicts as they are told to the world."""
    return tuple(
        Conflict(shown(path), ConflictKind(kind), text, None if kept is None else shown(kept))
        for path, kind, text, kept in found[:MAX_NAMED]
    )


def _inside(home: Path, folder: Path) -> tuple[bytes, ...]:
    """The folder as a path of home, if it lies there."""
    real_home, real = os.path.realpath(home), os.path.realpath(folder)
    if real == real_home or not real.startswith(real_home.rstrip("/") + "/"):
        return ()
    return (os.fsencode(os.path.relpath(real, real_home)),)


def _unusable(path: Path, error: Exception) -> StorageFailed:
    text = getattr(error, "strerror", None) or str(error)
    return StorageFailed(
        f"{path} cannot be used: {text}.",
        path=str(path),
        hint="It has to be a folder that the server's user may read and write.",
    )
