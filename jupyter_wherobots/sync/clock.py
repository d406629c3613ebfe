"""The one seam for time and chance.

No decision of the mirror compares two clocks: waiting and deadlines use the monotonic clock, and whether a file may
have changed within one tick of its file system's clock is asked of that very file system (`FileClock`).
"""

from __future__ import annotations

import os
import random
import tempfile
import threading
import time
from pathlib import Path


class Clock:
    """Monotonic seconds, waiting, chance. Tests replace it."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until the event is set, at most so many seconds; whether it is set."""
        return event.wait(seconds)

    def random(self) -> float:
        """A number in [0, 1)."""
        return random.random()

    def now(self) -> float:
        """The time of day, for people to read and nothing else."""
        return time.time()


class Deadline:
    """A moment on the monotonic clock, or never."""

    def __init__(self, clock: Clock, seconds: float | None) -> None:
        self._clock = clock
        self._at = None if seconds is None else clock.monotonic() + seconds

    def left(self) -> float | None:
        """Seconds left (never negative), or None if there is no deadline."""
        return None if self._at is None else max(0.0, self._at - self._clock.monotonic())

    def passed(self) -> bool:
        """Whether it is over."""
        return self._at is not None and self._clock.monotonic() >= self._at


class FileClock:
    """What time a file system stamps its files with now, in nanoseconds.

    A file whose times are older than a stamp taken before it was read cannot change any more without its
    times changing too; any other may change within the same tick and must be read again later (git's "racy" rule).
    """

    def __init__(self, directory: Path) -> None:
        try:
            self._fd = os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o600)
        except (OSError, AttributeError):  # not on every file system, and on Linux alone
            self._fd, name = tempfile.mkstemp(prefix=".wherobots-clock-", dir=directory)
            os.unlink(name)

    def stamp(self) -> int:
        """The time a file changed at this moment would carry."""
        os.utime(self._fd)
        return os.fstat(self._fd).st_mtime_ns

    def close(self) -> None:
        """Forget the file that was used for it."""
        os.close(self._fd)
