"""`HomeSync`, the door of the mirror: restore at start, passes while the server runs, one final
pass at stop.

Plain threads and a stop event; no asyncio. Every public method blocks, may be called from any
thread and may be called again. All of them answer with the values of `status`; what goes wrong with
one file is in the report, what goes wrong with the whole thing is in its ``error``; they raise only
what their docstring says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from .status import Conflict, PassReport, PendingDeletes, Phase, RestoreReport, SyncStatus

if TYPE_CHECKING:
    from ..s3.client import S3


@dataclass(frozen=True)
class SyncOptions:
    """The knobs of an engine; the defaults are for a notebook server.

    ``interval``: seconds between full scans. ``hints``: watch for file events between them.
    ``mirror_deletions``: what is deleted in home is deleted in S3, by the safe rule.
    ``delete_without_conditions``: also on an endpoint whose conditional DELETE does not work.
    """

    interval: float = 120.0
    hints: bool = True
    mirror_deletions: bool = True
    delete_without_conditions: bool = False


class HomeSync:
    """One engine for one home and one prefix. Nothing is touched before the first call of a method.

    The usual life in a server: ``start()``, ``wait_restored(20)``, …, ``final(15)``, ``stop()``.
    From a shell: ``with HomeSync(...) as sync: report = sync.run_pass()``.

    ``prefix`` ends with a slash and is where home lies in the bucket; ``state`` is a directory for
    the journal, which is never mirrored. ``on_change`` (if set) is called from an engine thread
    whenever `status` changes materially, at most about once a second; it must return quickly and
    not raise.
    """

    def __init__(
        self, s3: S3, prefix: str, home: Path, state: Path, *, options: SyncOptions = SyncOptions()
    ) -> None:
        self.prefix = prefix
        self.home = home
        self.state = state
        self.options = options
        self.on_change: Callable[[SyncStatus], None] | None = None
        self._s3 = s3

    def __enter__(self) -> HomeSync:
        """Take the lock (one engine for each home and prefix). Raises AlreadyRunning, with the
        other's process id.
        """
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
        """Take the lock and open the journal; the other methods do it when needed. Raises
        AlreadyRunning.
        """
        raise NotImplementedError

    def restore(self) -> RestoreReport:
        """Bring back everything that lies under the prefix; returns when it is done or cannot go
        on. Raises AlreadyRunning.

        Resumes where an earlier one was interrupted. Never writes outside home, and never replaces
        a file made since the start.
        """
        raise NotImplementedError

    def start(self) -> None:
        """Begin in the background: restore, then a pass at every interval and on every hint. Raises
        AlreadyRunning.
        """
        raise NotImplementedError

    def wait_restored(self, timeout: float | None) -> bool:
        """Wait (in short steps, so that signals are seen) until the restore that `start` began is
        over.

        True if it is complete; False if it goes on behind, or cannot be completed (`status` says
        which).
        """
        raise NotImplementedError

    def run_pass(self, *, deadline: float | None = None) -> PassReport:
        """Scan, plan and push once, and return what came of it. Raises AlreadyRunning.

        Restores first if that was never done. ``deadline`` is in seconds from now; what is not
        durable by then is named in the report. A call during a running pass waits for that one and
        then makes its own.
        """
        raise NotImplementedError

    def final(self, deadline: float) -> PassReport:
        """The last pass, at stop: most valuable first, returns within ``deadline`` seconds whatever
        S3 does. Never raises.

        May be called a second time, once the kernels have ended; each call scans anew. Pushes
        nothing if the listing at start was never completed.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """End the threads, release the lease and the lock. No final pass. Safe to call twice; never
        raises.
        """
        raise NotImplementedError

    def status(self) -> SyncStatus:
        """The standing status; cheap, no I/O."""
        return SyncStatus(phase=Phase.NEW)

    def conflicts(self) -> tuple[Conflict, ...]:
        """What was found changed on both sides, newest first, until dismissed."""
        raise NotImplementedError

    def dismiss_conflicts(self) -> None:
        """Forget the list that `conflicts` gives (the kept files stay)."""
        raise NotImplementedError

    def pending_deletes(self) -> PendingDeletes:
        """Deletions that wait for a person's word."""
        raise NotImplementedError

    def confirm_deletes(self) -> int:
        """A person's word: those that wait now may be deleted in S3. Returns how many; the next
        pass does it.
        """
        raise NotImplementedError

    def save_again(self, paths: Sequence[str]) -> int:
        """Put files back that were deleted in S3 while unchanged here. Returns how many were found;
        the next pass does it.
        """
        raise NotImplementedError

    def check_remote(self) -> tuple[Conflict, ...]:
        """List S3 once and say what was changed or deleted there. Raises StorageError if it cannot
        be listed.
        """
        raise NotImplementedError
