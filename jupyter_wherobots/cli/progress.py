"""A progress bar on a terminal; nothing at all elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .common import human_size

if TYPE_CHECKING:
    from ..sync.status import Progress

_INTERVAL = 0.2
"""Seconds between two looks."""

_WIDTH = 24

_COLUMNS = 80
"""What a terminal has that does not say."""

_WINDOW = 10.0
"""Seconds that the speed is measured over."""


def bar(label: str, progress: Progress | None) -> str:
    """One line: ``Restoring [######------------------] 30 of 120 files, 2 MB of 8 MB``.

    None: nothing is counted yet.
    """
    if progress is None:
        return f"{label} …"
    total = progress.bytes_total or progress.files_total
    done = progress.bytes_done if progress.bytes_total else progress.files_done
    return (
        f"{label} [{_filled(done, total)}] "
        f"{progress.files_done:,} of {progress.files_total:,} files, "
        f"{human_size(progress.bytes_done)} of {human_size(progress.bytes_total)}"
    )


def _filled(done: int, total: int) -> str:
    filled = min(_WIDTH, _WIDTH * done // total) if total else 0
    return "#" * filled + "-" * (_WIDTH - filled)


class Meter:
    """The line of something that has a speed and a time left, both of the last seconds. ``clock`` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def line(
        self, label: str, files: int, files_total: int | None, size: int, size_total: int | None
    ) -> str:
        """``Uploading [###---] 3 of 12 files, 2.0 MB of 8.0 MB, 1.2 MB/s, 0:05 left``.

        Totals that are not known yet are None: what is done then.
        """
        speed = self._speed(size)
        rate = f", {human_size(speed)}/s" if speed else ""
        if files_total is None or size_total is None:
            return f"{label} … {human_size(size)}{rate}"
        done, total = (size, size_total) if size_total else (files, files_total)
        counts = f"{files:,} of {files_total:,} files, " if files_total > 1 else ""
        left = (
            f", {_span((size_total - size) / speed)} left"
            if 0 < size < size_total and speed
            else ""
        )
        return (
            f"{label} [{_filled(done, total)}] {counts}"
            f"{human_size(size)} of {human_size(size_total)}{rate}{left}"
        )

    def _speed(self, size: int) -> float:
        """Bytes a second."""
        now = self._clock()
        self._seen.append((now, size))
        while self._seen[0][0] < now - _WINDOW:
            self._seen.popleft()
        since, before = self._seen[0]
        return (size - before) / (now - since) if now - since >= 1 else 0.0


def _span(seconds: float) -> str:
    """``0:05``, ``12:30``, ``3:00:00``."""
    minutes, rest = divmod(min(round(seconds), 359_999), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def shown(read: Callable[[], tuple[str, Progress | None] | None]) -> Iterator[None]:
    """While entered, show what ``read`` gives (a label and how far it is) on stderr, if that is a terminal."""

    def line() -> str | None:
        now = read()
        return None if now is None else bar(*now)

    with written(line):
        yield


@contextmanager
def written(line: Callable[[], str | None]) -> Iterator[None]:
    """While entered, keep a line on stderr, if that is a terminal; None leaves what is there."""
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()

    def show() -> None:
        while not over.wait(_INTERVAL):
            if (now := line()) is not None:
                # A line that wraps could not be written over.
                room = os.get_terminal_size(sys.stderr.fileno()).columns or _COLUMNS
                print(f"\r\033[K{now[: room - 1]}", end="", file=sys.stderr, flush=True)

    thread = threading.Thread(target=show, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        print("\r\033[K", end="", file=sys.stderr, flush=True)
