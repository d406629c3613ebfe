"""When the next pass is due and what it is to be. No I/O; time comes in as monotonic seconds.

A full scan every interval is the truth. Hints bring a pass forward: of all of home while a scan costs next to nothing, else
of the hinted folders alone. Files that could not be saved at once (being written, a notebook being saved) are looked at
again soon, with growing pauses; after an S3 that did not work everything waits, with growing pauses of random length.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from .clock import Clock
from .passes import Kind, Order
from .status import PassReport, Why

_CHEAP = 0.25
"""Seconds: as long as a scan of all of home takes no longer, a hint is answered with one."""
_GAP = 0.5
"""Seconds between two passes at least."""
_SHARE = 10
"""A pass upon a hint waits so many times the time that the last scan took: scanning costs a tenth of a core at most."""
_SHARE_BESIDE = 3
"""The same of a pass beside another one, most of whose time is S3's."""
_SOON = 1.0
_LATER = 30.0
_BACKOFF = 2.0
_LONGEST_BACKOFF = 60.0
_SOON_AGAIN = frozenset((Why.CHANGING, Why.SAVING, Why.REPOSITORY, Why.WAITING))


class Schedule:
    """The schedule of one engine; hints come from other threads."""

    def __init__(self, clock: Clock, interval: float) -> None:
        self._clock = clock
        self._interval = interval
        self._lock = threading.Lock()
        self._hints: set[bytes] = set()
        now = clock.monotonic()
        self._full_at = now
        self._quiet_until = now
        self._retry_at: float | None = None
        self._retries = 0
        self._failures = 0
        self._scan_seconds = 0.0
        self._beside_at = now

    def hint(self, folders: Iterable[bytes]) -> None:
        """Something happened in these folders."""
        with self._lock:
            self._hints.update(folders)

    def hints(self) -> set[bytes]:
        """Take the hints that no pass has answered yet."""
        with self._lock:
            found, self._hints = self._hints, set()
        return found

    def ask(self) -> None:
        """A full pass is due now."""
        with self._lock:
            self._full_at = self._quiet_until = self._clock.monotonic()

    def wait(self) -> float:
        """Seconds until the next pass is due; 0 if one is."""
        with self._lock:
            due = self._full_at
            if self._hints:
                due = min(due, self._quiet_until)
            if self._retry_at is not None:
                due = min(due, self._retry_at)
            return max(0.0, max(due, self._quiet_until) - self._clock.monotonic())

    def order(self) -> Order:
        """The pass that is due."""
        with self._lock:
            now = self._clock.monotonic()
            self._beside_at = now + _SOON
            hints, self._hints = self._hints, set()
            if now >= self._full_at:
                return Order(Kind.FULL)
            retry = self._retry_at is not None and now >= self._retry_at
            if retry or self._scan_seconds <= _CHEAP:
                return Order(Kind.HINTED)
            return Order(Kind.FOLDERS, frozenset(hints))

    def beside(self) -> Order | None:
        """The pass over some folders that is due while another pass takes its time; None for none."""
        with self._lock:
            if not self._hints or self._clock.monotonic() < self._beside_at:
                return None
            hints, self._hints = self._hints, set()
            return Order(Kind.FOLDERS, frozenset(hints))

    def passed_beside(self, order: Order, report: PassReport) -> None:
        """That is over. What it had to leave is looked at again soon."""
        again = any(each.why in _SOON_AGAIN for each in report.not_durable)
        with self._lock:
            if again:
                self._hints.update(order.folders)
            pause = _SOON if again else _GAP
            self._beside_at = self._clock.monotonic() + max(pause, _SHARE_BESIDE * report.seconds)

    def passed(self, order: Order, report: PassReport, scan_seconds: float) -> None:
        """A pass is over; ``scan_seconds`` is what the last scan of all of home took."""
        now = self._clock.monotonic()
        with self._lock:
            self._scan_seconds = scan_seconds
            if report.error is not None:
                self._failures += 1
                pause = min(_LONGEST_BACKOFF, _BACKOFF * 2**self._failures)
                pause = min(self._interval, pause * (0.5 + self._clock.random()))
                self._retry_at = None
                self._full_at = self._quiet_until = now + pause
                return
            self._failures = 0
            if order.kind is Kind.FULL:
                self._full_at = now + self._interval
            cost = scan_seconds if order.kind is not Kind.FOLDERS else report.seconds
            self._quiet_until = now + max(_GAP, _SHARE * cost)
            if any(each.why in _SOON_AGAIN for each in report.not_durable):
                self._retry_at = now + min(_LATER, _SOON * 2**self._retries)
                self._retries += 1
            else:
                self._retry_at, self._retries = None, 0
