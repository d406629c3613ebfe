"""A large object read by several requests at once, its bytes given in their order.

One connection is seldom as fast as the network is, or as the disks behind a store are.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator

from ..errors import PreconditionFailed
from . import objects
from .client import S3, Stop, check
from .crew import BUFFERS
from .keys import is_plain, matches

PART = 8 * 1024 * 1024
"""Bytes of one request."""

_AHEAD = 4
"""Requests under way while the bytes before them are given."""

_POLL = 0.1  # seconds between two looks at a stop flag


def get(s3: S3, key: str, etag: str, *, part: int = PART, stop: Stop | None = None) -> objects.Body:
    """Begin to read this version of an object, which is not empty, ``part`` bytes with a request.

    Raises what `objects.get` does, and so do the body's ``chunks``: every request carries the
    condition, and every answer is held against the ETag. ``stop`` is asked before what has to be
    waited for (Cancelled). What is read ahead is held in memory, out of `crew.BUFFERS`.
    """
    if not _is_dear(s3, key):
        first = _open(s3, key, etag, (0, part))
        if not _is_dear(s3, key):  # the first answer of a store may have told
            chunks = _in_order(s3, key, first, part, stop)
            return objects.Body(first.head, (0, first.size), chunks, first.close)
        first.close()
    return objects.get(s3, key, condition=matches(etag))


def _is_dear(s3: S3, key: str) -> bool:
    """Whether a range costs twice what it does elsewhere, so that one stream of all is the quickest."""
    return s3.ranges_through_boto3 and is_plain(key)


def _open(s3: S3, key: str, etag: str, span: tuple[int, int]) -> objects.Body:
    body = objects.get(s3, key, condition=matches(etag), byte_range=span)
    if body.etag != etag:
        body.close()
        raise PreconditionFailed(f"{key} is another version than expected.", path=key)
    return body


def _in_order(
    s3: S3, key: str, first: objects.Body, part: int, stop: Stop | None
) -> Generator[bytes, None, None]:
    coming: deque[_Part] = deque()
    at = first.end

    def ask(*, patiently: bool) -> None:
        nonlocal at
        while at < first.size and len(coming) < _AHEAD:
            size = min(part, first.size - at)
            if not BUFFERS.take_free(size):
                # Who holds some of the memory must not wait for more of it: so might all others.
                if coming or not patiently:
                    return
                BUFFERS.take(size, stop)
            coming.append(_Part(s3, key, first.etag, at, size))
            at += size

    try:
        ask(patiently=False)
        yield from first.chunks
        while at < first.size or coming:
            ask(patiently=True)
            chunks = coming[0].wait(stop)
            ask(patiently=False)
            yield from chunks
            coming.popleft().drop()
    finally:
        for each in coming:
            each.drop()


class _Part:
    """One request in a thread of its own; it holds the ``size`` bytes of memory taken for it.

    The thread is a daemon: one that hangs must hold up neither a stop nor the end of the process.
    """

    def __init__(self, s3: S3, key: str, etag: str, start: int, size: int) -> None:
        self._wanted = (s3, key, etag, (start, start + size))
        self._size = size
        self._chunks: list[bytes] = []
        self._failure: Exception | None = None
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._dropped = False
        try:
            threading.Thread(target=self._run, name="wherobots-range", daemon=True).start()
        except BaseException:
            BUFFERS.give(size)
            raise

    def _run(self) -> None:
        try:
            with _open(*self._wanted) as body:
                for chunk in body.chunks:
                    if self._dropped:
                        break
                    self._chunks.append(chunk)
        except Exception as exc:  # noqa: BLE001 - a thread's rim: `wait` raises it in the reader's
            self._failure = exc
        with self._lock:
            self._done.set()
            if self._dropped:
                self._free()

    def wait(self, stop: Stop | None) -> list[bytes]:
        """Its bytes, once they are all there. Raises what the request did, and Cancelled."""
        while not self._done.wait(_POLL):
            check(stop)
        if self._failure is not None:
            raise self._failure
        return self._chunks

    def drop(self) -> None:
        """Nobody wants its bytes any more; their memory is free as soon as no request fills it."""
        with self._lock:
            self._dropped = True
            if self._done.is_set():
                self._free()

    def _free(self) -> None:
        self._chunks = []
        BUFFERS.give(self._size)
