"""`HomeSync`, the door of the mirror: restore at start, passes while the server runs, one final pass at stop.

Plain threads and a stop event; no asyncio. Every public method blocks, may be called from any thread and may be called
again. All of them answer with the values of `status`; what goes wrong with one file is in the
report, what goes wrong with the whole thing is in its ``error``; they raise only what their docstring says.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from ..errors import WherobotsError
from . import last_stop, review
from .board import Board
from .clock import Deadline
from .options import SyncOptions
from .passes import Kind, Order, Passes
from .schedule import Schedule
from .status import (
    MAX_NAMED,
    Conflict,
    ConflictKind,
    PassReport,
    PendingDeletes,
    Phase,
    RestoreReport,
    SyncStatus,
    shown,
)
from .watch import Watcher

if TYPE_CHECKING:
    from ..s3.client import S3
    from .engine import Engine

__all__ = ["HomeSync", "SyncOptions"]

log = logging.getLogger(__name__)

_STEP = 0.1
"""Seconds of one step of a wait on the main thread, so that signals are seen."""
_STOP = 2.0
"""Seconds to wait for a thread that was told to end."""
_MARGIN = 0.5
"""Seconds of a final deadline that are kept for saying what was not saved."""
_RETRY_FIRST = 2.0
_RETRY_MOST = 60.0


class HomeSync:
    """One engine for one home and one prefix. Nothing is touched before the first call of a method.

    The usual life in a server: ``start()``, ``wait_restored(20)``, …, ``final(15)``, ``stop()``. From a shell: ``with
    HomeSync(...) as sync: report = sync.run_pass()``.

    ``prefix`` ends with a slash and is where home lies in the bucket; ``state`` is a directory for the journal, which is
    never mirrored. ``on_change`` (if set) is called from an engine thread whenever `status` changes materially, at most
    about once a second while something goes on; it must return quickly and not raise.
    """

    def __init__(
        self, s3: S3, prefix: str, home: Path, state: Path, *, options: SyncOptions | None = None
    ) -> None:
        self.prefix = prefix
        self.home = home
        self.state = state
        self.options = options or SyncOptions()
        self.on_change: Callable[[SyncStatus], None] | None = None
        self._s3 = s3
        self._clock = self.options.clock
        self._opening = threading.RLock()
        self._engine: Engine | None = None
        self._passes: Passes | None = None
        self._remote_changes: tuple[Conflict, ...] = ()
        self._closed = False
        self._passing = threading.Lock()
        self._interrupt = threading.Event()
        """Ends the pass under way, so that a more urgent one may begin."""
        self._stopping = threading.Event()
        """Ends all threads."""
        self._finishing = threading.Event()
        """No pass begins by itself any more, and the restore goes no further."""
        self._wake = threading.Event()
        self._schedule = Schedule(self._clock, self.options.interval)
        self._watcher: Watcher | None = None
        self._settled = threading.Event()
        """The restore is complete, or has failed once."""
        self._threads: list[threading.Thread] = []
        self._board = Board(self._clock, self._tell)

    def __enter__(self) -> HomeSync:
        """Take the lock (one engine for each home and prefix). Raises AlreadyRunning, StorageFailed."""
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def open(self) -> None:
        """Take the lock and open the journal; the other methods do it when needed.

        Raises AlreadyRunning with the other's process id, StorageFailed if home or state cannot be used.
        """
        self._opened()

    def _opened(self) -> Engine:
        from .engine import Engine

        with self._opening:
            if self._closed:
                raise WherobotsError("The synchronisation of home was stopped.")
            if self._engine is None:
                engine = Engine(self._s3, self.prefix, self.home, self.state, self.options)
                self._engine, self._passes = engine, Passes(engine)
                self._remote_changes = tuple(review.standing(engine.journal))
                self._board.change(restored=engine.restored, conflicts=self._known_conflicts())
            return self._engine

    # -- restore --------------------------------------------------------------------------------------

    def restore(self, on_progress: Callable[[SyncStatus], None] | None = None) -> RestoreReport:
        """Bring back everything that lies under the prefix; returns when it is done or cannot go on.

        Resumes where an earlier one was interrupted. Never writes outside home, and never replaces a file made since the start.
        ``on_progress`` is called about once a second, in this thread. Raises AlreadyRunning, StorageFailed.
        """
        engine = self._opened()
        began = self._clock.monotonic()
        self._board.change(phase=Phase.RESTORING, error=None)

        def told() -> None:
            assert engine.restorer is not None
            self._board.restoring(engine.restorer.harvest, engine.restored)
            if on_progress is not None:
                on_progress(self._board.read())

        error = None
        try:
            with self._passing:
                engine.learn(self._finishing)
            engine.fetch(self._finishing, told)
        except WherobotsError as failure:
            error = failure.message
        report = engine.restore_report(self._clock.monotonic() - began, error)
        self._board.change(lost_at_last_stop=engine.lost, conflicts=self._known_conflicts())
        self._board.restored(report, Phase.WATCHING if report.listed else Phase.RESTORING)
        return report

    def start(self) -> None:
        """Begin in the background: restore, then a pass at every interval and on every hint.

        Raises AlreadyRunning, StorageFailed.
        """
        self._opened()
        self._board.change(phase=Phase.RESTORING)
        for work in (self._restore_on, self._pass_on):
            thread = threading.Thread(
                target=self._guarded, args=(work,), name=f"wherobots-{work.__name__}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def wait_restored(self, timeout: float | None) -> bool:
        """Wait (in short steps, so that signals are seen) until the restore that `start` began is over.

        True if it is complete; False if it goes on behind, or cannot be completed (`status` says which).
        """
        deadline = Deadline(self._clock, timeout)
        while not self._settled.is_set() and not deadline.passed():
            left = deadline.left()
            self._clock.wait(self._settled, _STEP if left is None else min(_STEP, left))
        return self._settled.is_set() and self._board.read().restored

    # -- passes ---------------------------------------------------------------------------------------

    def run_pass(self, *, deadline: float | None = None) -> PassReport:
        """Scan, plan and push once, and return what came of it. Raises AlreadyRunning, StorageFailed.

        Restores first if that was never completed. ``deadline`` is in seconds from now; what is not durable by then is named
        in the report. A call during a running pass waits for that one and then makes its own.
        """
        until = Deadline(self._clock, deadline)
        engine = self._opened()
        restored = None
        if not self._threads and not engine.restored:
            restored = self.restore()
        order = Order(asked=True)
        if deadline is None:
            with self._passing:
                report = self._pass(order, until)
        else:
            report = self._within(deadline, lambda inner: self._pass(order, inner))
        return replace(report, restore=restored)

    def final(self, deadline: float) -> PassReport:
        """The last pass, at stop: most valuable first, returns within ``deadline`` seconds whatever S3 does. Never raises.

        May be called a second time, once the kernels have ended; each call scans anew. Pushes nothing if
        the listing at start was never completed. What was not saved is written down on both sides.
        """
        until = Deadline(self._clock, deadline)
        self._finishing.set()
        self._interrupt.set()
        self._wake.set()
        with self._opening:
            engine = self._engine
        if engine is None:
            return self._not_made("The synchronisation never began.")

        def work(inner: Deadline) -> PassReport:
            self._board.change(phase=Phase.STOPPING)
            if hints := self._schedule.hints():
                self._pass(Order(Kind.FOLDERS, hints, last=True), inner)
            return self._pass(Order(last=True), inner)

        report = self._within(deadline, work)
        self._write_down(engine, report, until)
        return report

    def _within(self, seconds: float, work: Callable[[Deadline], PassReport]) -> PassReport:
        """A pass in a thread of its own, which nobody waits for beyond the time that there is. Never raises."""
        inner = Deadline(self._clock, seconds - min(_MARGIN, seconds / 4))
        found: list[PassReport] = []

        def run() -> None:
            try:
                with self._passing:
                    found.append(work(inner))
            except Exception as error:
                log.exception("A pass over home failed")
                found.append(self._not_made(f"The pass failed: {error}"))

        thread = threading.Thread(target=run, name="wherobots-pass", daemon=True)
        thread.start()
        thread.join((inner.left() or 0.0) + min(_MARGIN, seconds / 4) / 2)
        return found[0] if found else self._not_made("S3 did not answer in time.")

    def _write_down(self, engine: Engine, report: PassReport, until: Deadline) -> None:
        """Write what was not saved where the next start finds it; in S3 as far as the time allows."""
        body = last_stop.packed(report, self._clock.now())
        try:
            last_stop.write(self.state, body)
        except OSError as error:
            log.warning("What was not saved could not be written down: %s", error)
        if engine.listed:
            thread = threading.Thread(
                target=engine.write_down, args=(body, until), name="wherobots-note", daemon=True
            )
            thread.start()
            thread.join(until.left())

    def stop(self) -> None:
        """End the threads, release the lease and the lock. No final pass. Safe to call twice; never raises."""
        for event in (self._stopping, self._finishing, self._interrupt, self._wake):
            event.set()
        for thread in self._threads:
            thread.join(_STOP)
        with self._opening:
            engine, self._engine, self._closed = self._engine, None, True
        if engine is None:
            return
        # A pass that hangs in a request keeps the journal: closing it under its feet would help nobody.
        if self._passing.acquire(timeout=_STOP):
            engine.close(_STOP)
        else:
            engine.abandon()
        self._board.change(phase=Phase.STOPPED)

    def _pass(self, order: Order, until: Deadline) -> PassReport:
        """One pass; the caller has the lock."""
        engine, passes = self._opened(), self._passes
        assert passes is not None
        if not engine.listed:
            return self._not_made("Home was not restored, so nothing is saved.")
        began = self._clock.now()
        phase = self._board.read().phase
        # Its own event: a thread that this pass leaves behind must never take a later pass for its own.
        self._interrupt = threading.Event()
        if self._stopping.is_set():
            self._interrupt.set()
        try:
            report = passes.run(order, self._interrupt, until, self._board.pushing)
        except WherobotsError as error:
            report = self._not_made(error.message)
        except (OSError, sqlite3.Error) as error:
            log.exception("A pass over home failed")
            report = self._not_made(f"Home or the journal cannot be used: {error}")
        if self._watcher is not None and order.kind is not Kind.FOLDERS:
            self._watcher.watch(passes.folders)
        self._board.passed(
            report,
            Phase.WATCHING if phase is Phase.PUSHING else phase,
            began if order.kind is not Kind.FOLDERS else None,
            lease=engine.lease_status(),
            hints=self._watcher.state if self._watcher is not None else "",
            conflicts=self._known_conflicts() if report.conflicts else None,
            judged=order.kind is Kind.FULL,
        )
        return report

    def _not_made(self, message: str) -> PassReport:
        status = self._board.read()
        return PassReport(
            complete=False,
            not_durable_count=status.pending_files,
            not_durable=status.pending,
            skipped=status.skipped,
            pending_deletes=status.pending_deletes,
            error=message,
        )

    # -- the threads ------------------------------------------------------------------------------------

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            log.exception("The synchronisation of home failed")
            self._board.change(error=f"The synchronisation failed: {error}")
            self._settled.set()

    def _restore_on(self) -> None:
        """Restore until everything is back, with growing pauses after failures."""
        pause = _RETRY_FIRST
        engine = self._opened()
        report = self.restore()
        while not self._finishing.is_set() and not report.complete:
            if report.listed:
                self._settled.set()
                self._wake.set()
            self._clock.wait(self._finishing, pause * (0.5 + self._clock.random()))
            pause = min(_RETRY_MOST, pause * 2)
            if not self._finishing.is_set():
                report = self._restore_again(engine)
        self._settled.set()
        self._wake.set()

    def _restore_again(self, engine: Engine) -> RestoreReport:
        if engine.restorer is None:
            return self.restore()
        error = None
        try:
            restorer = engine.restorer
            engine.fetch(
                self._finishing, lambda: self._board.restoring(restorer.harvest, engine.restored)
            )
        except WherobotsError as failure:
            error = failure.message
        report = engine.restore_report(0.0, error)
        self._board.change(restored=report.complete)
        return report

    def _pass_on(self) -> None:
        """A pass whenever the schedule says so."""
        engine, passes, schedule = self._opened(), self._passes, self._schedule
        assert passes is not None
        while not engine.listed and not self._finishing.is_set():
            self._clock.wait(self._wake, _STEP)
            self._wake.clear()
        if self.options.hints and not self._finishing.is_set():
            self._watcher = Watcher(self.home, self._hinted, self._stopping)
        reviewed = self._clock.monotonic()
        while not self._finishing.is_set():
            if (wait := schedule.wait()) > 0:
                self._clock.wait(self._wake, wait)
                self._wake.clear()
                continue
            with self._passing:
                if self._finishing.is_set():
                    return
                order = schedule.order()
                report = self._pass(order, Deadline(self._clock, None))
            schedule.passed(order, report, passes.scan_seconds)
            if self._clock.monotonic() - reviewed >= self.options.review_interval:
                reviewed = self._clock.monotonic()
                self._review_quietly()

    def _hinted(self, folders: set[bytes]) -> None:
        self._schedule.hint(folders)
        self._wake.set()

    def _review_quietly(self) -> None:
        try:
            self.check_remote()
        except WherobotsError as error:
            log.warning("S3 could not be looked at for changes by others: %s", error)

    def _tell(self, status: SyncStatus) -> None:
        if self.on_change is not None:
            self.on_change(status)

    # -- status and a person's decisions ------------------------------------------------------------------

    def status(self) -> SyncStatus:
        """The standing status; cheap, no I/O."""
        return self._board.read()

    def conflicts(self) -> tuple[Conflict, ...]:
        """What was found changed on both sides, newest first, until dismissed. Raises AlreadyRunning, StorageFailed."""
        return tuple(
            Conflict(
                shown(each.path),
                ConflictKind(each.kind),
                each.message,
                None if each.kept_as is None else shown(each.kept_as),
            )
            for each in self._opened().journal.conflicts()
        )

    def _known_conflicts(self) -> tuple[Conflict, ...]:
        """Those, and what others are known to have changed in S3."""
        return (*self.conflicts(), *self._remote_changes)[:MAX_NAMED]

    def dismiss_conflicts(self) -> None:
        """Forget the list that `conflicts` gives (the kept files stay). Raises AlreadyRunning, StorageFailed."""
        self._opened().journal.forget_conflicts()
        self._board.change(conflicts=self._known_conflicts())

    def pending_deletes(self) -> PendingDeletes:
        """Deletions that wait for a person's word."""
        return self._board.read().pending_deletes

    def confirm_deletes(self) -> int:
        """A person's word: those that wait now may be deleted in S3. Returns how many; the next pass does it.

        Raises AlreadyRunning, StorageFailed.
        """
        with self._passing:
            count = review.confirm_deletes(self._opened().journal)
        self._ask()
        return count

    def save_again(self, paths: Sequence[str] | None = None) -> int:
        """Put files back (these, or all) that were deleted in S3 while unchanged here. Returns how many were found.

        The next pass does it. Raises AlreadyRunning, StorageFailed.
        """
        with self._passing:
            count = review.save_again(self._opened().journal, paths)
            self._remote_changes = tuple(review.standing(self._opened().journal))
        self._board.change(conflicts=self._known_conflicts())
        self._ask()
        return count

    def check_remote(self) -> tuple[Conflict, ...]:
        """List S3 once and say what others added, changed or deleted there.

        Raises StorageError if it cannot be listed, AlreadyRunning, StorageFailed.
        """
        engine = self._opened()
        with self._passing:
            self._remote_changes = engine.review().conflicts
        self._board.change(conflicts=self._known_conflicts())
        return self._remote_changes

    def take_over(self) -> bool:
        """A person's word: take the lease from another instance, which then only adds. Whether it is held now.

        Raises StorageError, AlreadyRunning.
        """
        engine = self._opened()
        with self._passing:
            held = engine.take_over()
        self._board.change(lease=engine.lease_status())
        self._ask()
        return held

    def _ask(self) -> None:
        self._schedule.ask()
        self._wake.set()
