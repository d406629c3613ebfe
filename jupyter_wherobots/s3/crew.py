"""Threads that send the parts of an upload, and the memory that all of them share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from .client import Stop, check

MEMORY = 128 * 1024 * 1024
"""Bytes of file contents in flight at most, in the whole process."""

_POLL = 0.1  # seconds between two looks at a stop flag
_LINGER = 1.0  # seconds for threads to end after they were told to


class Budget:
    """A number of bytes that threads share."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = size
        self._changed = threading.Condition()

    def take(self, size: int, stop: Stop | None = None) -> None:
        """Wait until ``size`` bytes are free and hold them; more than there are count as all.

        Raises Cancelled when ``stop`` is set.
        """
        size = min(size, self.size)
        with self._changed:
            while self._free < size:
                check(stop)
                self._changed.wait(_POLL)
            self._free -= size

    def take_free(self, size: int) -> bool:
        """Hold ``size`` bytes if they are free now, and say whether they were."""
        size = min(size, self.size)
        with self._changed:
            if self._free < size:
                return False
            self._free -= size
            return True

    def give(self, size: int) -> None:
        """Give back what `take` took, from any thread."""
        with self._changed:
            self._free += min(size, self.size)
            self._changed.notify_all()

    @contextmanager
    def hold(self, size: int, stop: Stop | None = None) -> Iterator[None]:
        """`take` and `give` around a block."""
        self.take(size, stop)
        try:
            yield
        finally:
            self.give(size)

    @property
    def free(self) -> int:
        """Bytes that nobody holds."""
        return self._free


BUFFERS = Budget(MEMORY)
"""The budget of this process; whoever else holds file contents for S3 takes from it too."""


class Sized(Protocol):
    """What a job gives: something that knows its bytes."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...


Result = TypeVar("Result", bound=Sized)


class Crew(Generic[Result]):
    """Some threads that do the jobs of one transfer; the first failure stops them all. It is itself
    the `Stop` of its jobs.

    The threads are daemons and are not waited for without limit: a request that hangs must hold up
    neither a cancel nor the end of the process.
    """

    def __init__(self, stop: Stop | None) -> None:
        self._stop = stop
        self._fetching = threading.Lock()
        self._arriving = threading.Lock()
        self._changed = threading.Condition()
        self._running = 0
        self._halt = False
        self._error: Exception | None = None
        self._results: list[Result] = []

    def is_set(self) -> bool:
        """Whether to stop: the caller says so, or a job has failed."""
        return self._halt or (self._stop is not None and self._stop.is_set())

    def run(
        self,
        jobs: Iterator[Callable[[Stop], Result]],
        concurrency: int,
        on_bytes: Callable[[int], None] | None,
    ) -> list[Result]:
        """Do all jobs. ``jobs`` is walked, and ``on_bytes`` told the bytes of each result, by one
        thread at a time.

        Raises the first failure, or Cancelled.
        """
        self._running = concurrency
        for _ in range(concurrency):
            threading.Thread(
                target=self._work, args=(jobs, on_bytes), name="wherobots-part", daemon=True
            ).start()
        with self._changed:
            while self._running and not self.is_set():
                self._changed.wait(_POLL)
            self._changed.wait_for(lambda: not self._running, timeout=_LINGER)
            if self._error is not None:
                raise self._error
        check(self._stop)
        return self._results

    def _work(
        self, jobs: Iterator[Callable[[Stop], Result]], on_bytes: Callable[[int], None] | None
    ) -> None:
        try:
            while not self.is_set():
                with self._fetching:
                    job = next(jobs, None)
                if job is None:
                    return
                result = job(self)
                with self._arriving:
                    self._results.append(result)
                    if on_bytes:
                        on_bytes(result.size)
        except Exception as exc:  # noqa: BLE001 - a thread's rim: `run` raises it in the caller's
            with self._changed:
                self._error = self._error or exc
                self._halt = True
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def lingers(self) -> bool:
        """Whether a thread still waits for an answer."""
        return self._running > 0

    def join(self) -> None:
        """Wait for the last thread."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running)
