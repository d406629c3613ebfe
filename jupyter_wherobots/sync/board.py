"""The standing status: written by the engine's threads, read by anybody at any time, told to others in moderation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from .clock import Clock
from .ground import Tally
from .restore import Harvest
from .status import (
    MAX_NAMED,
    Conflict,
    LeaseStatus,
    PassReport,
    Phase,
    Progress,
    RestoreReport,
    SyncStatus,
)

_EVERY = 1.0
"""Seconds between two tellings of mere progress."""


class Board:
    """Holds the last `SyncStatus` and tells of changes, in the thread that made them."""

    def __init__(self, clock: Clock, tell: Callable[[SyncStatus], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._lock = threading.Lock()
        self._status = SyncStatus(phase=Phase.NEW)
        self._told = -_EVERY
        self._dirty_since: float | None = None

    def read(self) -> SyncStatus:
        """The status now."""
        with self._lock:
            status, since = self._status, self._dirty_since
        age = None if since is None else self._clock.monotonic() - since
        return replace(status, oldest_pending_seconds=age)

    def change(self, **values: object) -> None:
        """Set members of the status and tell at once."""
        with self._lock:
            self._status = replace(self._status, **values)  # type: ignore[arg-type]  # by name
            self._told = self._clock.monotonic()
        self._tell(self.read())

    def _is_due(self) -> bool:
        return self._clock.monotonic() - self._told >= _EVERY

    # -- what happens to an engine ------------------------------------------------------------------

    def restoring(self, harvest: Harvest, restored: bool) -> None:
        """A restore goes on."""
        if not self._is_due():
            return
        told = Progress(
            harvest.done + harvest.already_there,
            harvest.objects,
            harvest.done_bytes,
            harvest.total_bytes,
        )
        self.change(restore=told, restored=restored)

    def restored(self, report: RestoreReport, phase: Phase) -> None:
        """A restore is over, or came to a halt."""
        failed = report.failed[:MAX_NAMED]
        self.change(
            phase=phase,
            restored=report.complete,
            restore=None if report.complete else self.read().restore,
            error=report.error,
            pending=failed,
        )

    def pushing(self, tally: Tally) -> None:
        """A pass has found something and sends it."""
        if not self._is_due() and self.read().phase is Phase.PUSHING:
            return
        waiting = list(tally.not_durable.values())
        with self._lock:
            if self._dirty_since is None and waiting:
                self._dirty_since = self._clock.monotonic()
        self.change(
            phase=Phase.PUSHING,
            pending_files=len(waiting),
            pending_bytes=sum(each.size for each in waiting),
            pending=tuple(waiting[:MAX_NAMED]),
            push=Progress(tally.files, tally.total, tally.uploaded_bytes, 0),
        )

    def passed(
        self,
        report: PassReport,
        phase: Phase,
        began: float | None,
        *,
        lease: LeaseStatus,
        hints: str,
        conflicts: tuple[Conflict, ...] | None,
        judged: bool,
    ) -> None:
        """A pass is over.

        ``began``: the time of day when it was begun, None if it did not look at all of home; ``judged``: it judged absences
        too; ``conflicts``: the list, if it has changed.
        """
        with self._lock:
            status = self._status
            if not report.not_durable_count and report.error is None:
                self._dirty_since = None
            elif self._dirty_since is None:
                self._dirty_since = self._clock.monotonic()
        saved = report.complete and began is not None
        self.change(
            phase=phase,
            saved_at=began if saved else status.saved_at,
            pending_files=report.not_durable_count,
            pending_bytes=sum(each.size for each in report.not_durable),
            pending=report.not_durable,
            skipped=report.skipped if began is not None else status.skipped,
            conflicts=status.conflicts if conflicts is None else conflicts,
            pending_deletes=report.pending_deletes if judged else status.pending_deletes,
            notes=report.notes,
            error=report.error,
            lease=lease,
            hints=hints,
            push=None,
        )
