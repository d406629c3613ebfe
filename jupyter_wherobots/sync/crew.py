"""Many small jobs on plain threads: as many at once as the network rewards, none waited for beyond a deadline.

Requests block in obstore or botocore, so threads it is. They are daemons: one that hangs in a request can neither hold up
the end of a pass nor that of the process. What a job finds is delivered in batches in the caller's thread,
so that the journal is written by one thread and a commit covers many files.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from ..errors import Cancelled
from ..s3.client import Stop
from .clock import Clock

J = TypeVar("J")
R = TypeVar("R")

_TICK = 0.05
"""Seconds between two deliveries."""
_TRIAL = 0.25
"""Seconds that a number of threads is tried before it is judged."""
_GAIN = 1.1
"""A larger number of threads is kept while it gives a tenth more."""
_USEFUL = 2000
"""Small requests a second that one process of Python brings about, as measured on two cores."""
_GRACE = 5.0
"""Seconds that requests under way are waited for when the others are not sent any more because S3 does not work."""


class Ending(Stop, Protocol):
    """Tells whether to begin nothing more, and whether even what was begun is not waited for."""

    def is_urgent(self) -> bool:
        """Whether nobody has time for what is under way."""


class Governor:
    """How many requests at once: as many as the network wants; halves when S3 asks to slow down (AIMD).

    It begins with what the quickest answer so far tells: to keep `_USEFUL` requests a second going, that many times the
    seconds of one have to be under way. More threads than that only wait for each other, and the event loop for them:
    with 32 where 4 are enough, an answer in a hundred took 105 ms instead of 8, and the pass half as much CPU again.
    """

    def __init__(self, *, minimum: int = 4, start: int = 4, maximum: int = 256) -> None:
        self._start = self.limit = min(start, maximum)
        self._minimum = min(minimum, maximum)
        self._maximum = maximum
        self._lock = threading.Lock()
        self._quickest: float | None = None
        self._rate = 0.0
        self._before: int | None = None
        self._throttled = False

    def answered(self, seconds: float) -> None:
        """A request was answered after so long. The quickest is the network's own time, the others also waited for us."""
        if self._quickest is not None and seconds >= self._quickest:
            return
        with self._lock:
            self._quickest = seconds
            if not self._rate and not self._throttled:
                wanted = max(self._start, math.ceil(seconds * _USEFUL))
                self.limit = min(self._maximum, wanted)

    def throttled(self) -> None:
        """S3 asked to slow down; once in each trial counts."""
        with self._lock:
            if not self._throttled:
                self._throttled = True
                self.limit = max(self._minimum, self.limit // 2)

    def judge(self, done: int, seconds: float) -> None:
        """So many requests were done in so many seconds with all threads busy."""
        rate = done / seconds
        with self._lock:
            if self._throttled:
                # After a halving: up again by little steps.
                self._throttled, self._before, self._rate = False, None, rate
                self.limit = min(self._maximum, self.limit + 1)
            elif rate > self._rate * _GAIN:
                self._before, self._rate = self.limit, rate
                self.limit = min(self._maximum, self.limit * 3 // 2)
            elif self._before is not None:
                self.limit, self._before = self._before, None


class Crew(Generic[J, R]):
    """One run of jobs, in their order, each in some thread."""

    def __init__(
        self,
        jobs: Sequence[J],
        work: Callable[[J], R],
        governor: Governor,
        clock: Clock,
        halt: Ending,
    ) -> None:
        self._jobs = jobs
        self._work = work
        self._governor = governor
        self._clock = clock
        self._halt = halt
        self._lock = threading.Lock()
        self._next = 0
        self._alive = 0
        self._results: list[R] = []
        self._failure: BaseException | None = None
        self._over = False
        self._changed = threading.Event()

    def run(
        self, deliver: Callable[[list[R]], None], beside: Callable[[], None] | None = None
    ) -> None:
        """Do the jobs. Returns when all are done, or at a halt; if it is urgent, with those in flight left behind.

        ``beside`` is called now and then, in the caller's thread, while jobs are under way. Raises what a job raised (jobs
        answer with their failures; only bugs and failpoints raise), and what it raises.
        """
        try:
            for results in self._batches(beside):
                deliver(results)
        finally:
            with self._lock:
                self._over = True

    def _batches(self, beside: Callable[[], None] | None) -> Iterator[list[R]]:
        trial_at, trial_done, delivered = self._clock.monotonic(), 0, 0
        halted_at: float | None = None
        while True:
            if halted_at is None:
                self._hire()
                if beside is not None:
                    beside()
            self._clock.wait(self._changed, _TICK)
            self._changed.clear()
            with self._lock:
                results, self._results = self._results, []
                failure, alive = self._failure, self._alive
                idle = self._next >= len(self._jobs)
            if results:
                delivered += len(results)
                yield results
            if failure is not None:
                raise failure
            now = self._clock.monotonic()
            if not alive and (idle or self._halt.is_set()):
                return
            if self._halt.is_set():
                # What S3 took although it refused others is known then, and not sent again.
                halted_at = now if halted_at is None else halted_at
                if self._halt.is_urgent() or now - halted_at >= _GRACE:
                    return
                continue
            if now - trial_at >= _TRIAL:
                if not idle:
                    self._governor.judge(delivered - trial_done, now - trial_at)
                trial_at, trial_done = now, delivered

    def _hire(self) -> None:
        with self._lock:
            wanted = min(self._governor.limit - self._alive, len(self._jobs) - self._next)
            self._alive += max(0, wanted)
        for _ in range(wanted):
            threading.Thread(target=self._labour, name="wherobots-crew", daemon=True).start()

    def _labour(self) -> None:
        while True:
            with self._lock:
                surplus = self._alive > self._governor.limit
                if self._over or surplus or self._next >= len(self._jobs) or self._halt.is_set():
                    self._alive -= 1
                    if not self._alive:
                        self._changed.set()
                    return
                job = self._jobs[self._next]
                self._next += 1
            try:
                result = self._work(job)
            except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
                with self._lock:
                    self._failure = error
                    self._alive -= 1
                self._changed.set()
                return
            with self._lock:
                self._results.append(result)


class Alone(Generic[R]):
    """One job in a thread of its own, which can be waited for as long as one likes, more than once."""

    def __init__(self, work: Callable[[], R], name: str) -> None:
        self._work = work
        self._done = threading.Event()
        self._result: list[R] = []
        self._failure: BaseException | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            self._failure = error
        finally:
            self._done.set()

    @property
    def failed(self) -> bool:
        """Whether it is over, and not well."""
        return self._failure is not None

    def wait(self, halt: Stop, clock: Clock) -> R:
        """Its result. Raises what it raised, and Cancelled when ``halt`` is set before it is over."""
        while not clock.wait(self._done, _TICK):
            if halt.is_set():
                raise Cancelled("The pass is over.")
        if self._failure is not None:
            raise self._failure
        return self._result[0]
