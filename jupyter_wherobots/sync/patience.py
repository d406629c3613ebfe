"""When to try a request again, and when to give up: for one file, and for all of them.

Pauses have random lengths (full jitter), so that a thousand files that were refused together do not come back together.
What would fail for every file ends the pass after some failures in a row, instead of failing a thousand times.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from ..errors import (
    AccessDenied,
    BucketNotFound,
    Conflicted,
    CredentialsExpired,
    NoCredentials,
    NotFound,
    PreconditionFailed,
    Throttled,
    Unreachable,
    WherobotsError,
)
from .clock import Clock, Deadline
from .crew import Governor

T = TypeVar("T")

_TRIES = 5
_PAUSE = 0.2
_LONGEST_PAUSE = 5.0
_GIVE_UP = 24
"""So many failures in a row, in all threads, that are not about one key alone, end the pass."""


class Halt:
    """Why to stop handing out work: a stop, the deadline, or an S3 that does not work. Looks like an event."""

    def __init__(self, stop: threading.Event, deadline: Deadline) -> None:
        self.stop = stop
        self.deadline = deadline
        self.error: WherobotsError | None = None
        """What is wrong with S3 as a whole, if that is why."""
        self._failures = 0
        self._last: WherobotsError | None = None
        self._lock = threading.Lock()

    @property
    def trouble(self) -> WherobotsError | None:
        """What is wrong with S3, as far as anybody can tell: why the work was halted, or the last of some failures in
        a row. A pass over one file does not fail often enough to be halted.
        """
        return self.error or (self._last if self._failures >= _TRIES else None)

    def is_set(self) -> bool:
        """Whether to stop."""
        return self.error is not None or self.is_urgent()

    def is_urgent(self) -> bool:
        """Whether to stop at once, whatever is under way."""
        return self.stop.is_set() or self.deadline.passed()

    def succeeded(self) -> None:
        """A request was answered."""
        if self._failures:
            with self._lock:
                self._failures = 0

    def failed(self, error: WherobotsError) -> None:
        """A request failed for a reason that may not be about its key alone."""
        with self._lock:
            self._failures += 1
            self._last = error
            certain = isinstance(error, (NoCredentials, CredentialsExpired, BucketNotFound))
            if certain or self._failures >= _GIVE_UP:
                self.error = error


class Patience:
    """Does requests, with retries, and watches whether S3 works at all."""

    def __init__(self, governor: Governor, clock: Clock, halt: Halt) -> None:
        self._governor = governor
        self._clock = clock
        self._halt = halt

    def with_request(self, request: Callable[[], T]) -> T:
        """Do a request; again, after a pause, when the fault may pass. Raises what the last try raised."""
        for tried in range(1, _TRIES + 1):
            began = self._clock.monotonic()
            try:
                result = request()
            except (PreconditionFailed, NotFound):
                self._halt.succeeded()
                raise
            except (Throttled, Unreachable, Conflicted) as error:
                if isinstance(error, Throttled):
                    self._governor.throttled()
                elif isinstance(error, Unreachable):
                    self._halt.failed(error)
                if tried == _TRIES or self._halt.is_set():
                    raise
                pause = min(_LONGEST_PAUSE, _PAUSE * 2**tried) * self._clock.random()
                left = self._halt.deadline.left()
                self._clock.wait(self._halt.stop, pause if left is None else min(pause, left))
                if self._halt.is_set():
                    raise
            except (AccessDenied, CredentialsExpired, NoCredentials, BucketNotFound) as error:
                self._halt.failed(error)
                raise
            else:
                self._halt.succeeded()
                self._governor.answered(self._clock.monotonic() - began)
                return result
        raise AssertionError("the last try returns or raises")
