"""`HomeSync`, the door of the mirror: restore at start, passes while the server runs, one final pass at stop.

Plain threads and stop events; no asyncio. Every public method blocks, may be called from any thread and may be called
again. All of them answer with the values of `status`; what goes wrong with one file is in the
report, what goes wrong with the whole thing is in its ``error``; they raise only what their docstring says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from . import review
from .background import Background
from .clock import Deadline
from .options import SyncOptions
from .passes import Order
from .session import Session
from .status import Conflict, PassReport, PendingDeletes, Phase, RestoreReport, SyncStatus

if TYPE_CHECKING:
    from ..s3.client import S3

__all__ = ["HomeSync", "SyncOptions"]

_STEP = 0.1
"""Seconds of one step of a wait on the main thread, so that signals are seen."""


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
        self._session = Session(s3, prefix, home, state, self.options, self._tell)
        self._background = Background(self._session)

    def _tell(self, status: SyncStatus) -> None:
        if self.on_change is not None:
            self.on_change(status)

    def __enter__(self) -> HomeSync:
        """As `open`."""
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
        """Take the lock (one engine for each home) and open the journal; the other methods do it when needed.

        Raises AlreadyRunning with the other's process id, StorageFailed if home or state cannot be used, NotConfigured
        if the AWS configuration cannot be.
        """
        self._session.opened()

    # -- restore --------------------------------------------------------------------------------------

    def restore(self, on_progress: Callable[[SyncStatus], None] | None = None) -> RestoreReport:
        """Bring back everything that lies under the prefix; returns when it is done or cannot go on.

        Resumes where an earlier one was interrupted. Never writes outside home, and never replaces a file made since the
        start. ``on_progress`` is called now and then, in this thread. Raises as `open` does.
        """
        return self._session.restore(on_progress)

    def start(self) -> None:
        """Begin in the background: restore, then a pass at every interval and on every hint. Raises as `open` does."""
        self._session.opened()
        self._session.board.change(phase=Phase.RESTORING)
        self._background.start()

    def wait_restored(self, timeout: float | None) -> bool:
        """Wait (in short steps, so that signals are seen) until the restore that `start` began is over.

        True if it is complete; False if it goes on behind, or cannot be completed now (`status` says which).
        """
        clock, settled = self.options.clock, self._background.settled
        deadline = Deadline(clock, timeout)
        while not settled.is_set() and not deadline.passed():
            left = deadline.left()
            clock.wait(settled, _STEP if left is None else min(_STEP, left))
        return settled.is_set() and self.status().restored

    # -- passes ---------------------------------------------------------------------------------------

    def run_pass(self, *, deadline: float | None = None) -> PassReport:
        """Scan, plan and push once, and return what came of it. Raises as `open` does.

        Restores first if that was never completed. ``deadline`` is in seconds from now; what is not durable by then is named
        in the report. A call during a running pass waits for that one and then makes its own.
        """
        session = self._session
        engine = session.opened()
        restored = None
        if not self._background.began and not engine.restored:
            restored = session.restore()
        order = Order(asked=True, gives_way=not session.finishing.is_set())
        if deadline is None:
            with session.passing:
                report = session.make_pass(order, Deadline(session.clock, None))
        else:
            report = session.within(deadline, lambda until: session.make_pass(order, until))
        return replace(report, restore=restored)

    def final(self, deadline: float) -> PassReport:
        """The last pass, at stop: most valuable first, returns within ``deadline`` seconds whatever S3 does. Never raises.

        May be called a second time, once the kernels have ended; each call scans anew. Pushes nothing if
        the listing at start was never completed, and names what lies in home then. What was not saved is written down on
        both sides.
        """
        session = self._session
        until = Deadline(session.clock, deadline)
        session.finishing.set()
        session.interrupt()
        if not session.is_open:
            return session.not_made("The synchronisation never began.")
        report = session.within(deadline, session.final_pass, session.name_unsent)
        session.write_down(report, until)
        return report

    def stop(self) -> None:
        """End the threads, release the lease and the lock. No final pass. Safe to call twice; never raises."""
        session = self._session
        session.stopping.set()
        session.finishing.set()
        session.interrupt()
        self._background.join()
        session.close()

    # -- status and a person's decisions ------------------------------------------------------------------

    def status(self) -> SyncStatus:
        """The standing status; cheap, no I/O."""
        return self._session.board.read()

    def conflicts(self) -> tuple[Conflict, ...]:
        """What was found changed on both sides, newest first, until dismissed. Raises as `open` does."""
        return self._session.conflicts()

    def dismiss_conflicts(self) -> None:
        """Forget the list that `conflicts` gives (the kept files stay). Raises as `open` does."""
        self._session.opened().journal.forget_conflicts()
        self._session.board.change(conflicts=self._session.all_conflicts())

    def pending_deletes(self) -> PendingDeletes:
        """Deletions that wait for a person's word."""
        return self.status().pending_deletes

    def confirm_deletes(self) -> int:
        """A person's word: those that wait now may be deleted in S3. Returns how many; the next pass does it.

        Raises as `open` does.
        """
        return self._session.decide(lambda engine: review.confirm_deletes(engine.journal))

    def save_again(self, paths: Sequence[str] | None = None) -> int:
        """Put files back (these, or all) that were deleted in S3 while unchanged here. Returns how many were found.

        The next pass does it. Raises as `open` does.
        """
        return self._session.decide(lambda engine: review.save_again(engine.journal, paths))

    def check_remote(self) -> tuple[Conflict, ...]:
        """List S3 once and say what others added, changed or deleted there.

        Raises StorageError if it cannot be listed, and as `open` does.
        """
        return self._session.review()

    def take_over(self) -> bool:
        """A person's word: take the lease from another instance, which then only adds. Whether it is held now.

        Raises StorageError, and as `open` does.
        """
        return bool(self._session.decide(lambda engine: int(engine.take_over())))
