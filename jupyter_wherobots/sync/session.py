"""What `service.HomeSync` does, without its manners: one engine, one pass at a time, one board.

The lock order is ``passing`` before ``opening``; everything that changes the journal holds ``passing``, but for
the deliveries of a restore, which touch only rows that no pass touches.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import WherobotsError
from . import last_stop, review
from .board import Board
from .clock import Deadline
from .failpoints import failpoint
from .options import SyncOptions
from .passes import Kind, Order, Passes
from .patience import Halt
from .schedule import Schedule
from .status import (
    MAX_NAMED,
    Conflict,
    ConflictKind,
    NotDurable,
    PassReport,
    Phase,
    RestoreReport,
    SyncStatus,
    shown,
)
from .watch import Watcher

if TYPE_CHECKING:
    from ..s3.client import S3
    from .engine import Engine

log = logging.getLogger(__name__)

STOP = 2.0
"""Seconds to wait for a thread, or for S3, that was told to end."""
_APART = 1.0
"""Seconds between the two looks at a stop that let something be deleted in S3."""
_MARGIN = 0.5
"""Seconds of a deadline that are kept for saying what was not saved."""


class Session:
    """The life of one engine, from `opened` to `close`."""

    def __init__(
        self,
        s3: S3,
        prefix: str,
        home: Path,
        state: Path,
        options: SyncOptions,
        tell: Callable[[SyncStatus], None],
    ) -> None:
        self._s3 = s3
        self._prefix = prefix
        self.home = home
        self.state = state
        self.options = options
        self.clock = options.clock
        self.board = Board(self.clock, tell)
        self.schedule = Schedule(self.clock, options.interval)
        self.watcher: Watcher | None = None
        self.passing = threading.Lock()
        """Held by whoever makes a pass."""
        self.stopping = threading.Event()
        """Ends all threads."""
        self.finishing = threading.Event()
        """No pass begins by itself any more, and the restore goes no further."""
        self.wake = threading.Event()
        """There is something new for the thread that makes passes."""
        self._interrupt = threading.Event()
        self._opening = threading.RLock()
        self._engine: Engine | None = None
        self._passes: Passes | None = None
        self._closed = False
        self._watched: Collection[bytes] = ()
        self._remote_changes: tuple[Conflict, ...] = ()
        self._unsent: list[NotDurable] = []
        """What lies in home at a stop before S3 could be listed: all of it is at stake."""

    # -- opening and closing ----------------------------------------------------------------------------

    def opened(self) -> Engine:
        """The engine, with its lock taken and its journal open. Raises AlreadyRunning, StorageFailed, NotConfigured."""
        from .engine import Engine

        with self._opening:
            if self._closed:
                raise WherobotsError("The synchronisation of home was stopped.")
            if self._engine is None:
                engine = Engine(self._s3, self._prefix, self.home, self.state, self.options)
                self._engine, self._passes = engine, Passes(engine)
                self._remote_changes = tuple(review.standing(engine.journal))
                self.board.change(restored=engine.restored, conflicts=self.all_conflicts())
            return self._engine

    @property
    def is_open(self) -> bool:
        """Whether there is an engine at all."""
        with self._opening:
            return self._engine is not None

    @property
    def scan_seconds(self) -> float:
        """How long the last scan of all of home took."""
        return 0.0 if self._passes is None else self._passes.scan_seconds

    def close(self) -> None:
        """Give everything back; waits at most some seconds for what hangs."""
        with self._opening:
            engine, self._engine, self._closed = self._engine, None, True
        if engine is None:
            return
        # A pass that hangs in a request keeps the journal: closing it under its feet would help nobody.
        if self.passing.acquire(timeout=STOP):
            engine.close(STOP)
        else:
            engine.abandon()
        self.board.change(phase=Phase.STOPPED)

    def interrupt(self) -> None:
        """End the pass under way, so that a more urgent one may begin."""
        self._interrupt.set()
        self.wake.set()

    # -- restore ----------------------------------------------------------------------------------------

    def restore(self, on_progress: Callable[[SyncStatus], None] | None = None) -> RestoreReport:
        """List, and bring back what is to be. Raises as `opened` does."""
        engine = self.opened()
        began = self.clock.monotonic()
        self.board.change(phase=Phase.RESTORING, error=None)
        error = None
        try:
            with self.passing:
                engine.learn(self.finishing)
        except WherobotsError as failure:
            error = failure.message
        except (OSError, sqlite3.Error) as failure:
            error = self._unusable(failure)
        else:
            error = self._fetch(engine, on_progress)
        report = engine.restore_report(self.clock.monotonic() - began, error)
        self.board.change(lost_at_last_stop=engine.lost, conflicts=self.all_conflicts())
        self.board.restored(report, Phase.WATCHING if report.listed else Phase.RESTORING)
        return report

    def restore_on(self) -> RestoreReport:
        """Try once more what could not be restored, or listed. Raises as `opened` does."""
        engine = self.opened()
        if engine.restorer is None:
            return self.restore()
        error = self._fetch(engine, None)
        report = engine.restore_report(0.0, error)
        self.board.change(restored=report.complete, conflicts=self.all_conflicts())
        return report

    def _fetch(
        self, engine: Engine, on_progress: Callable[[SyncStatus], None] | None
    ) -> str | None:
        def told() -> None:
            assert engine.restorer is not None
            self.board.restoring(engine.restorer.harvest, engine.restored)
            if on_progress is not None:
                on_progress(self.board.read())

        try:
            engine.fetch(self.finishing, told)
        except WherobotsError as failure:
            return failure.message
        except (OSError, sqlite3.Error) as error:
            return self._unusable(error)
        return None

    def _unusable(self, error: Exception) -> str:
        """What is said of a full disk, or what else is wrong with the folders; where in the code is for who debugs."""
        log.debug("Home or its state cannot be used", exc_info=error)
        if isinstance(error, sqlite3.Error):
            return (
                f"The journal in {self.state} cannot be used: {error}. It is tried again by itself."
            )
        return f"Home or its state in {self.state} cannot be used: {error}"

    # -- passes -----------------------------------------------------------------------------------------

    def make_pass(self, order: Order, until: Deadline) -> PassReport:
        """One pass; the caller holds ``passing``. Raises as `opened` does."""
        engine, passes = self.opened(), self._passes
        assert passes is not None
        if not engine.listed:
            return self.not_made("Home was not restored, so nothing is saved.")
        began = self.clock.now()
        phase = self.board.read().phase
        looked: set[bytes] = set()
        # Its own event: a thread that this pass leaves behind must never take a later pass for its own.
        self._interrupt = threading.Event()
        if self.stopping.is_set() or (order.gives_way and self.finishing.is_set()):
            self._interrupt.set()
        try:
            report = passes.run(
                order,
                self._interrupt,
                until,
                self.board.pushing,
                None if order.last else lambda: self._pass_beside(passes, until, looked),
            )
        except WherobotsError as error:
            report = self.not_made(error.message)
        except (OSError, sqlite3.Error) as error:
            report = self.not_made(self._unusable(error))
        self.schedule.hint(looked)  # what had to be left then has its turn now
        whole = order.kind is not Kind.FOLDERS
        if report.complete and whole and not order.last:
            engine.settle_lost()
        # A pass that only made way for the last one has nothing to complain about.
        told = replace(report, error=None) if self._interrupt.is_set() else report
        self._watch(passes)
        self.board.passed(
            told,
            Phase.WATCHING if phase is Phase.PUSHING else phase,
            began if whole else None,
            lease=engine.lease_status(),
            hints=self.watcher.state if self.watcher is not None else "",
            conflicts=self.all_conflicts() if report.conflicts else None,
            judged=order.kind is Kind.FULL,
        )
        return report

    def _watch(self, passes: Passes) -> None:
        """Watch the folders that the last scan of all of home found."""
        if self.watcher is not None and passes.folders is not self._watched:
            self._watched = passes.folders
            self.watcher.watch(passes.folders)

    def _pass_beside(self, passes: Passes, until: Deadline, looked: set[bytes]) -> None:
        """Save what was saved in an editor while a pass takes its time; ``looked`` gets the folders."""
        self._watch(passes)
        order = self.schedule.beside()
        if order is None:
            return
        failpoint("session.beside")
        looked.update(order.folders)
        try:
            report = passes.run(order, self._interrupt, until, lambda _: None)
        except (WherobotsError, OSError, sqlite3.Error) as error:
            # The pass around it goes on; the one that looks at these folders after it says what is wrong.
            log.debug("What changed meanwhile could not be saved yet", exc_info=error)
            report = self.not_made(str(error))
        self.schedule.passed_beside(order, report)

    def within(
        self,
        seconds: float,
        work: Callable[[Deadline], PassReport],
        before: Callable[[Deadline], None] | None = None,
    ) -> PassReport:
        """A pass in a thread of its own, which nobody waits for beyond the time that there is. Never raises.

        ``before`` does not wait until a pass or a listing that goes on is over.
        """
        margin = min(_MARGIN, seconds / 4)
        inner = Deadline(self.clock, seconds - margin)
        found: list[PassReport] = []

        def run() -> None:
            try:
                if before is not None:
                    before(inner)
                with self.passing:
                    found.append(work(inner))
            except Exception as error:
                log.exception("A pass over home failed")
                found.append(self.not_made(f"The pass failed: {error}"))

        thread = threading.Thread(target=run, name="wherobots-pass", daemon=True)
        thread.start()
        thread.join((inner.left() or 0.0) + margin / 2)
        return found[0] if found else self.not_made("S3 did not answer in time.")

    def final_pass(self, until: Deadline) -> PassReport:
        """What is known to have changed, and then everything; the caller holds ``passing``.

        What was deleted so lately that no pass has seen it would come back at the next start: it is looked for twice.
        """
        self.board.change(phase=Phase.STOPPING)
        if hints := self.schedule.hints():
            self.make_pass(Order(Kind.FOLDERS, hints, last=True), until)
        report = self.make_pass(Order(last=True), until)
        left = until.left()
        if not report.complete or (left is not None and left < 2 * _APART):
            return report
        assert self._passes is not None
        if not self._passes.gone_once or self.clock.wait(self.stopping, _APART):
            return report
        again = self.make_pass(Order(last=True), until)
        return again if again.complete or again.not_durable else report

    def name_unsent(self, until: Deadline) -> None:
        """See what a stop loses when S3 could never be listed. Never raises."""
        engine, passes = self.opened(), self._passes
        assert passes is not None
        self._unsent = []
        if engine.listed:
            return
        try:
            self._unsent = passes.unsent(Halt(self.stopping, until))
        except (WherobotsError, OSError, sqlite3.Error) as error:
            log.warning("It could not be seen what in home is not saved: %s", error)

    def not_made(self, message: str) -> PassReport:
        """The report of a pass that could not be made or waited for: what was pending still is."""
        status = self.board.read()
        unsent = self._unsent
        return PassReport(
            complete=False,
            not_durable_count=len(unsent) or status.pending_files,
            not_durable=tuple(unsent[:MAX_NAMED]) or status.pending,
            skipped=status.skipped,
            pending_deletes=status.pending_deletes,
            error=message,
        )

    def write_down(self, report: PassReport, until: Deadline) -> None:
        """Write what was not saved where the next start finds it; in S3 as far as the time allows."""
        with self._opening:
            engine = self._engine
        if engine is None or not (engine.listed or report.not_durable_count):
            return  # nothing new to say: what the stop before this one lost has not been told yet
        body = last_stop.packed(report, self.clock.now())
        try:
            last_stop.write(self.state, body)
        except OSError as error:
            log.warning("What was not saved could not be written down: %s", error)
        thread = threading.Thread(
            target=engine.write_down, args=(body, until), name="wherobots-note", daemon=True
        )
        thread.start()
        thread.join(until.left())

    # -- what others changed, and a person's decisions --------------------------------------------------

    def conflicts(self) -> tuple[Conflict, ...]:
        """The list of conflicts, newest first. Raises as `opened` does."""
        return tuple(
            Conflict(
                shown(each.path),
                ConflictKind(each.kind),
                each.message,
                None if each.kept_as is None else shown(each.kept_as),
            )
            for each in self.opened().journal.conflicts()
        )

    def all_conflicts(self) -> tuple[Conflict, ...]:
        """Those, and what others are known to have changed in S3."""
        return (*self.conflicts(), *self._remote_changes)[:MAX_NAMED]

    def review(self) -> tuple[Conflict, ...]:
        """List S3 and see what others changed. Raises StorageError."""
        engine = self.opened()
        with self.passing:
            self._remote_changes = engine.review().conflicts
        self.board.change(conflicts=self.all_conflicts())
        return self._remote_changes

    def decide(self, decision: Callable[[Engine], int]) -> int:
        """Carry out a person's decision between two passes, and have it acted on soon. Raises as `opened` does."""
        engine = self.opened()
        with self.passing:
            count = decision(engine)
            self._remote_changes = tuple(review.standing(engine.journal))
        self.board.change(conflicts=self.all_conflicts(), lease=engine.lease_status())
        self.schedule.ask()
        self.wake.set()
        return count
