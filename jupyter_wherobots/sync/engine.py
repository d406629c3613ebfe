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
from contextlib import suppress
from pathlib import Path

from ..errors import AccessDenied, StorageFailed, WherobotsError
from ..layout import INTERNAL
from ..s3.client import S3
from ..s3.probe import Capabilities, probe
from .clock import Deadline, FileClock
from .crew import Governor
from .failpoints import failpoint
from .ground import Ground, Memory, Tally
from .ignore import Ignore
from .journal import Journal
from .lock import EngineLock
from .names import Names
from .options import SyncOptions
from .patience import Halt
from .plan import Plan, Put, plan
from .push import Pusher
from .remote import FULL, Remote
from .removal import Remover, unrisky
from .repository import Heads, is_object, split
from .restore import Restorer
from .review import RemoteView, review
from .scan import Scan, Scanner
from .status import (
    MAX_NAMED,
    Conflict,
    ConflictKind,
    NotDurable,
    PassReport,
    RestoreReport,
    Why,
    shown,
)

_MARKER = "user.wherobots.root"
"""An extended attribute of home that names its journal: another folder in its place has none."""
_COMPLETE = "complete"
_LISTED = "listed"
_ROUNDS = 3
"""So often a repository's objects are looked for in one pass while they keep moving."""


class Engine:
    """Opens home, state and journal; runs restores and passes. ``close`` gives everything back."""

    def __init__(self, s3: S3, prefix: str, home: Path, state: Path, options: SyncOptions) -> None:
        """Raises AlreadyRunning if another engine has this home, StorageFailed if home or state cannot be used."""
        self._clock = options.clock
        self._options = options
        self._s3 = s3
        self.home = home
        self.names = Names(prefix)
        self.governor = Governor()
        self.notes: tuple[str, ...] = ()
        self.last = False
        """No pass comes after the next one."""
        self._memory = Memory()
        self._remote: Remote | None = None
        self._restorer: Restorer | None = None
        try:
            home.mkdir(parents=True, exist_ok=True)
            state.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = EngineLock(home, state)
        except OSError as error:
            raise _unusable(state if error.filename == os.fspath(state) else home, error) from error
        try:
            self.root = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._file_clock = FileClock(home)
            self.journal = Journal(state / f"journal-{self._place()}.db")
        except (OSError, sqlite3.Error) as error:
            self._lock.release()
            raise _unusable(state, error) from error
        except BaseException:
            self._lock.release()
            raise
        self._state = state
        self._aside = state / "replaced"
        self._ignore = Ignore(_inside(home, state))
        self._check_root()

    def _place(self) -> str:
        """Names the journal: what is known of one store says nothing of another."""
        place = f"{self._s3.endpoint_url}\n{self._s3.bucket}\n{self.names.prefix}\n"
        digest = hashlib.sha256(place.encode("utf-8", "surrogateescape"))
        digest.update(os.fsencode(os.path.realpath(self.home)))
        return digest.hexdigest()[:16]

    def close(self) -> None:
        """Let go of journal, home and lock."""
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

    def _check_in_place(self) -> None:
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
        self._check_in_place()
        halt = Halt(stop, Deadline(self._clock, None))
        restorer = Restorer(
            self.root,
            self._aside,
            self.journal,
            self.names,
            Remote(self._s3),
            self.governor,
            self._clock,
            halt,
        )
        restorer.learn()
        self.journal.set_meta(restored=_LISTED)
        failpoint("engine.listed")
        self._restorer = restorer

    def fetch(self, stop: threading.Event, told: Callable[[], None]) -> None:
        """Bring back what `learn` found; may be called again for what failed. Raises StorageError if S3 does not work."""
        restorer = self._restorer
        if restorer is None:
            return
        halt = restorer.renew(Halt(stop, Deadline(self._clock, None)))
        restorer.fetch(told)
        if not restorer.wishes and not restorer.harvest.failures:
            self.journal.set_meta(restored=_COMPLETE)
            failpoint("engine.restored")
        elif halt.error is not None:
            raise halt.error

    def restore_report(self, seconds: float, error: str | None) -> RestoreReport:
        """What the restore did until now."""
        if self._restorer is None:
            return RestoreReport(self.restored, self.listed, seconds=seconds, error=error)
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
            conflicts=_conflicts(harvest.conflicts),
            seconds=seconds,
            error=error,
        )

    @property
    def restorer(self) -> Restorer | None:
        """The restore under way or done, for its numbers."""
        return self._restorer

    def review(self) -> RemoteView:
        """List S3 and compare. Raises StorageError."""
        objects = Remote(self._s3).walk(self.names.prefix)
        return review(self.journal, self.names, objects)

    # -- a pass ---------------------------------------------------------------------------------------

    def scan(self, halt: Halt) -> Scan:
        """What lies in home now. Raises StorageFailed if home itself is not there."""
        self._check_in_place()
        return Scanner(self.root, self.home, self.journal, self._ignore, halt).scan()

    def run(
        self, stop: threading.Event, deadline: Deadline, told: Callable[[Tally], None]
    ) -> PassReport:
        """Scan, plan, push, delete. Raises WherobotsError only if nothing could be done at all."""
        began = self._clock.monotonic()
        halt = Halt(stop, deadline)
        scan = self.scan(halt)
        failpoint("engine.scanned")
        made = plan(scan, self.journal)
        self.journal.commit(made.rows)
        failpoint("engine.planned")
        tally = Tally()
        error: str | None = None
        try:
            self._carry_out(made, halt, tally, lambda: told(tally))
        except WherobotsError as failure:
            error = failure.message
        if halt.error is not None:
            error = halt.error.message
        if scan.stopped:
            error = error or "The scan of home was not finished."
        missing = [*made.not_durable, *tally.not_durable.values()]
        return PassReport(
            complete=not missing and not error and self.restored,
            files=scan.files,
            uploaded=tally.uploaded,
            uploaded_bytes=tally.uploaded_bytes,
            copied=tally.copied,
            deleted=tally.deleted,
            seconds=self._clock.monotonic() - began,
            not_durable_count=len(missing),
            not_durable=tuple(missing[:MAX_NAMED]),
            skipped=tuple(scan.skipped[:MAX_NAMED]),
            conflicts=_conflicts(tally.conflicts),
            pending_deletes=made.held,
            notes=(*self.notes, *scan.notes),
            error=error,
        )

    def _carry_out(self, made: Plan, halt: Halt, tally: Tally, told: Callable[[], None]) -> None:
        """Send what the plan says; asks S3 nothing if that is nothing."""
        planned = {put.entry.path for put in made.puts}
        loose = [each for each in self.journal.all_intents() if each.path not in planned]
        if not (made.puts or loose or made.deletes):
            return
        remote = self._remote_for(halt.deadline)
        ground = Ground(
            self.root,
            self._state / "hot",
            self.journal,
            self.names,
            remote,
            self.governor,
            self._clock,
            halt,
            self._memory,
            self._file_clock.stamp,
            last=self.last,
        )
        pusher = Pusher(ground, made.gone, tally, told)
        ordinary, repositories = split(made.puts)
        pusher.expect(made.puts)
        pusher.push(ordinary)
        for heads in repositories:
            self._push_repository(pusher, heads, halt)
        failpoint("engine.pushed")
        if halt.is_set():
            return
        remover = Remover(ground, tally)
        remover.settle(loose)
        if self._may_delete(remote):
            remover.remove(unrisky(made.deletes, tally.unsaved), told)

    def _push_repository(self, pusher: Pusher, heads: Heads, halt: Halt) -> None:
        """Put a repository's objects, and then its heads as they were before the objects were looked for."""
        scanner = Scanner(self.root, self.home, self.journal, self._ignore, halt)
        tally = pusher.tally
        for _ in range(_ROUNDS):
            ready = pusher.prepare(heads.puts)
            found = [scanner.scan([folder], deep=True) for folder in heads.objects]
            entries = {entry.path: entry for each in found for entry in each.changed}
            objects = [
                Put(entry, self.journal.get(path))
                for path, entry in entries.items()
                if is_object(path, heads.folder)
            ]
            tally.vanished.clear()
            pusher.expect(objects)
            pusher.push(objects)
            failpoint("engine.objects-pushed")
            whole = all(each.complete for each in found)
            if whole and not tally.vanished and not tally.unsaved.keys() & entries.keys():
                pusher.push(ready)
                return
        for put in heads.puts:
            path = put.entry.path
            message = "It waits for the objects of its repository, which is busy."
            tally.not_durable[path] = NotDurable(shown(path), Why.REPOSITORY, message)

    def _may_delete(self, remote: Remote) -> bool:
        options = self._options
        conditional = remote.capabilities.delete_if_match or options.delete_without_conditions
        return options.mirror_deletions and conditional

    def _remote_for(self, deadline: Deadline) -> Remote:
        """The way to S3, probed once in an engine's life, before the first write. Raises StorageError."""
        if self._remote is None:
            found = self._options.capabilities or self._probe()
            self._remote = Remote(self._s3, found)
            self._abort_leftovers(self._remote)
        left = deadline.left()
        return self._remote if left is None else self._remote.bounded(max(0.1, left))

    def _abort_leftovers(self, remote: Remote) -> None:
        """Abort the uploads of a process that was killed: those it wrote down, and those it had no time to."""
        keys = {each.key for each in self.journal.all_intents()}
        if keys:
            for key, upload in remote.uploads(self.names.prefix):
                if key in keys:
                    remote.abort(key, upload)

    def _probe(self) -> Capabilities:
        key = f"{self.names.prefix}{INTERNAL}probe-{self.journal.engine[:16]}"
        try:
            found = probe(self._s3, key)
        except AccessDenied as error:
            self.notes = (f"What this store can do could not be tried: {error.message}",)
            return FULL
        self.notes = found.notes
        return found


def _conflicts(found: list[tuple[bytes, str, str, bytes | None]]) -> tuple[Conflict, ...]:
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
    return StorageFailed(f"{path} cannot be used: {text}.", path=str(path))
