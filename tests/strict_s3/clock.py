"""The clock of the server: Date, LastModified, Initiated. Tests move it; nothing waits for it."""

from __future__ import annotations

import time
from email.utils import formatdate


class Clock:
    """Wall time plus an offset, or standing still."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._frozen: float | None = None

    def now(self) -> int:
        """Whole seconds since the epoch: S3 knows no smaller unit."""
        return int(time.time() + self._offset if self._frozen is None else self._frozen)

    def advance(self, seconds: float) -> None:
        """Move it forward, or back when negative, whether it stands still or not."""
        self._offset += seconds
        if self._frozen is not None:
            self._frozen += seconds

    def freeze(self, at: float | None = None) -> None:
        """Let it stand still, at `at` seconds since the epoch or at what it shows."""
        self._frozen = float(self.now() if at is None else at)

    def run(self) -> None:
        """Let it go on from wall time plus what it was moved by."""
        self._frozen = None


def http_date(seconds: int) -> str:
    """As in Date and Last-Modified."""
    return formatdate(seconds, usegmt=True)


def xml_date(seconds: int) -> str:
    """As in listings."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))
