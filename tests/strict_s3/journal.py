"""What was asked of the server: counts by operation, bytes, concurrency, and the last requests."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from tests.strict_s3.calls import Operation
from tests.strict_s3.http import HttpRequest

KEPT = 100_000
# Not a key of any bucket: "-" is no bucket name. What is asked here is not counted.
CONTROL_PATH = "/-/control"


@dataclass(frozen=True)
class Record:
    """One request. `status` is 0 when no answer was sent: a reset, or a client that left.

    `key` is the prefix of a listing, `effect` says whether the operation was carried out, whatever
    the client was told. `received` and `sent` are the bytes of the bodies.
    """

    operation: Operation
    key: str
    status: int
    code: str
    effect: bool
    received: int
    sent: int


class Journal:
    """Written by the server's thread, read and waited for by the tests' threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.in_flight = 0
        self.clear()

    def clear(self) -> None:
        """Count from nothing again; what is in flight stays counted."""
        with self._changed:
            self.counts: Counter[Operation] = Counter()
            self.requests: deque[Record] = deque(maxlen=KEPT)
            self.bytes_in = 0
            self.bytes_out = 0
            self.peak = self.in_flight

    def received(self, count: int) -> None:
        """Bytes that came in, heads included."""
        self.bytes_in += count

    def sent(self, count: int) -> None:
        """Bytes that went out, heads included."""
        self.bytes_out += count

    def began(self, request: HttpRequest) -> None:
        """A request is in flight as soon as its head is there."""
        if request.path != CONTROL_PATH:
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)

    def ended(self, request: HttpRequest) -> None:
        """It is in flight until its answer is written."""
        if request.path != CONTROL_PATH:
            self.in_flight -= 1
        with self._changed:
            self._changed.notify_all()

    def record(self, record: Record) -> None:
        """Count it and keep it."""
        with self._changed:
            self.counts[record.operation] += 1
            self.requests.append(record)
            self._changed.notify_all()

    def wait(self, true: Callable[[], bool], timeout: float) -> bool:
        """Until `true()` holds, looked at after each request; False if `timeout` seconds pass."""
        with self._changed:
            return self._changed.wait_for(true, timeout)
