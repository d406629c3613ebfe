"""The mirror's story in the log: what begins to be wrong, by name, and that it is right again. Each once.

Nobody is woken for what the next pass mends: a file is worth a line only when it has waited for minutes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from .status import ConflictKind, NotDurable, Phase, SyncStatus, Why

LONG = 600.0
"""Seconds after which it is said that files are still not saved."""
_NAMED = 5

_NEWS = (ConflictKind.ADDED_REMOTELY, ConflictKind.UPDATED_REMOTELY)
"""Others work in S3: that is nothing wrong."""


class Narrator:
    """Writes to a log what changes in a `SyncStatus`. `tell` may be called from any thread."""

    def __init__(self, log: logging.Logger | logging.LoggerAdapter[logging.Logger]) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._before = SyncStatus(phase=Phase.NEW)
        self._trouble: str | None = None
        self._late = False

    def tell(self, status: SyncStatus) -> None:
        """Log what is new since the last time. Does not raise."""
        with self._lock:
            before, self._before = self._before, status
            if status.phase in (Phase.STOPPING, Phase.STOPPED):
                return  # what could not be saved in the end is said by whoever stops it
            self._tell_restore(before, status)
            self._tell_saving(before, status)
            self._tell_decisions(before, status)
            self._tell_conflicts(before, status)

    def _tell_restore(self, before: SyncStatus, status: SyncStatus) -> None:
        if status.restored and not before.restored:
            self._log.info("Home is restored")
        if status.lost_at_last_stop and not before.lost_at_last_stop:
            lost = status.lost_at_last_stop
            self._log.warning("The last stop did not save %s", _names(lost, len(lost)))

    def _tell_saving(self, before: SyncStatus, status: SyncStatus) -> None:
        refused = next((each for each in status.pending if each.why is Why.FAILED), None)
        if status.error is not None and status.error != self._trouble:
            what = "saved" if status.restored else "restored"
            self._log.warning("Home is not %s: %s", what, status.error)
            self._trouble = status.error
        elif refused is not None and self._trouble is None:
            self._log.warning("Not saved: %s", _names((refused,), status.pending_files))
            self._trouble = refused.message
        # Each new attempt begins without an error; only one that ended without is worth a word.
        elif self._trouble and not (status.error or refused) and status.phase is Phase.WATCHING:
            self._log.info("The synchronisation of home works again")
            self._trouble = None
        for note in status.notes:
            if note not in before.notes:
                self._log.warning("%s", note)
        age = status.oldest_pending_seconds or 0.0
        if age >= LONG and not self._late and status.pending:
            self._late = True
            names = _names(status.pending, status.pending_files)
            self._log.warning("Not saved for %d minutes: %s", age // 60, names)
        elif self._late and not status.pending_files:
            self._late = False
            self._log.info("All of home is saved again")

    def _tell_decisions(self, before: SyncStatus, status: SyncStatus) -> None:
        if status.lease.held != before.lease.held:
            if status.lease.held:
                self._log.info("This instance holds the lease on home again")
            else:
                self._log.warning("%s", status.lease.message)
        held = status.pending_deletes
        if held.count and not before.pending_deletes.count:
            self._log.warning(
                "%d files wait to be deleted in S3 until somebody says that it is meant: %s",
                held.count,
                held.message,
            )

    def _tell_conflicts(self, before: SyncStatus, status: SyncStatus) -> None:
        if status.conflicts is before.conflicts:
            return
        known = set(before.conflicts)
        fresh = [each for each in status.conflicts if each not in known and each.kind not in _NEWS]
        for each in fresh[:_NAMED]:
            self._log.warning("%s: %s", each.path, each.message)
        if len(fresh) > _NAMED:
            self._log.warning("and %d more conflicts", len(fresh) - _NAMED)


def _names(files: Sequence[NotDurable], count: int) -> str:
    named = ", ".join(f"{each.path} ({each.message.rstrip('.')})" for each in files[:_NAMED])
    rest = count - min(len(files), _NAMED)
    return f"{named} and {rest} more" if rest > 0 else named
