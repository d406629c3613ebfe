"""Signals as something to wait for, so that what they mean is decided in one place and never in a handler."""

from __future__ import annotations

import os
import select
import signal
import sys
from types import FrameType, TracebackType
from typing import Any

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """While entered (main thread only), counts requests to stop and wakes `wait` for them and for ended children."""

    def __init__(self) -> None:
        self.stops = 0
        self._previous: dict[int, Any] = {}
        self._read = self._write = self._previous_fd = -1

    def __enter__(self) -> Signals:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._previous_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in (*_STOPS, signal.SIGCHLD):
            self._previous[number] = signal.signal(number, self._count)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_fd)
        os.close(self._read)
        os.close(self._write)

    def _count(self, number: int, frame: FrameType | None) -> None:
        if number in _STOPS:
            self.stops += 1

    def wait(self, seconds: float | None = None, *, keyboard: bool = False) -> bool:
        """Until a signal comes or the time is over. With ``keyboard``, Enter ends it too, and is answered with True."""
        sources: list[int] = [self._read]
        if keyboard:
            sources.append(sys.stdin.fileno())
        ready, _, _ = select.select(sources, [], [], seconds)
        if self._read in ready:
            os.read(self._read, 4096)
        entered = keyboard and sys.stdin.fileno() in ready
        if entered:
            sys.stdin.readline()
        return entered
